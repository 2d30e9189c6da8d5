"""Turn names into models: the only place that does."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING

from pytest_robustness.core.defaults import CLIP_TEMPLATES
from pytest_robustness.core.errors import ModelError, RobustnessError, cause
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.core.process import working_in
from pytest_robustness.models.names import parse
from pytest_robustness.models.presets import PRESETS
from pytest_robustness.models.protocol import PublishedSource
from pytest_robustness.models.sources import SOURCES
from pytest_robustness.models.weights import WeightsPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_robustness.core import ClassLabel, Model, Origin

_log = logging.getLogger(__name__)


class ModelZoo:
    """Models by name, from every source.

    Parameters
    ----------
    weights_dir
        Directory that holds published weights files; ``None`` downloads them into the cache of their library.
    trust_pickle
        Also read weights files that need a full pickle, which can run any code.
    hashes
        Hashes the files that models consist of; ``None`` remembers none of them.
    given
        Models that exist already, by name; such a name is not looked up anywhere else.
    templates
        The sentences for models that know classes by their names alone: see `zero_shot.templates_of`.
    directory
        Where `expand` looks for paths and modules, ``None``: in the current directory. `load` always looks in that one,
        so that whoever calls it notices a factory that changes it.
    """

    def __init__(
        self,
        weights_dir: Path | None = None,
        trust_pickle: bool = False,
        hashes: FileHashes | None = None,
        given: Mapping[str, Model] | None = None,
        templates: str = CLIP_TEMPLATES,
        directory: Path | None = None,
    ) -> None:
        self._directory = directory
        self.given = dict(given or {})
        self._policy = WeightsPolicy(weights_dir, trust_pickle, hashes or FileHashes(), templates=templates)

    def elsewhere(self) -> ModelZoo:
        """Return the same zoo for another machine: it remembers no hash of a file."""
        zoo = ModelZoo(self._policy.directory, self._policy.trust_pickle, templates=self._policy.templates)
        zoo.name_classes(self._policy.classes)
        return zoo

    def name_classes(self, classes: Iterable[ClassLabel]) -> None:
        """Give the classes of the data, from whose names some models are made; those are loaded after this."""
        self._policy = dataclasses.replace(self._policy, classes=tuple(classes))

    def known(self) -> dict[str, list[str]]:
        """Return the names that exist: those of the presets, then those of each source, in the order of the table."""
        return {"presets": sorted(PRESETS), **{name: list(source.known()) for name, source in SOURCES.items()}}

    def expand(self, specs: Sequence[str]) -> tuple[str, ...]:
        """Return the canonical names that ``specs`` stand for: presets expanded, each name once, in order.

        No weights are read. A library is imported only where nothing else can say whether a name is right.

        Raises
        ------
        OptionError
            A name is malformed or not known; the message lists the valid ones.
        """
        names: dict[str, None] = {}
        for spec in specs:
            if spec in self.given:
                names[spec] = None
                continue
            for member in PRESETS.get(spec.strip(), (spec,)):
                parsed = parse(member)
                with working_in(self._directory):
                    SOURCES[parsed.source].check(parsed.name, parsed.weights)
                names[str(parsed)] = None
        return tuple(names)

    @property
    def hashes(self) -> FileHashes:
        """What hashes files, and remembers them."""
        return self._policy.hashes

    def published(self, spec: str) -> bool:
        """Whether code and weights of the model are those of a released package, and not the user's own."""
        return spec not in self.given and SOURCES[parse(spec).source].PUBLISHED

    def origin(self, spec: str) -> Origin:
        """Return where the set-up of the model comes from, as far as it says nothing else of itself."""
        return "factory" if spec in self.given or parse(spec).source == "python" else "published"

    @property
    def weights_place(self) -> tuple[str, ...]:
        """Where published weights are looked for: see `WeightsPolicy.place`."""
        return self._policy.place

    def weights_files(self, spec: str) -> tuple[Path, ...]:
        """Return the files that decide which weights a published model that was loaded has: see `PublishedSource`."""
        if not self.published(spec):
            return ()
        parsed = parse(spec)
        source = SOURCES[parsed.source]
        if not isinstance(source, PublishedSource):
            return ()
        return source.weights_files(parsed.name, parsed.weights, self._policy)

    def load(self, spec: str) -> Model:
        """Return the model in eval mode, on the CPU, in float32, with its fingerprint.

        Raises
        ------
        OptionError
            The name is malformed or not known.
        ModelError
            The model cannot be loaded, for any reason; the message holds its name and the cause.
        """
        if spec in self.given:
            return _ready(spec, _copy(spec, self.given[spec]), self._policy.hashes)
        parsed = parse(spec)
        source = SOURCES[parsed.source]
        source.check(parsed.name, parsed.weights)
        try:
            return _ready(str(parsed), source.load(parsed.name, parsed.weights, self._policy), self._policy.hashes)
        except RobustnessError:
            raise
        except (Exception, SystemExit) as error:
            _log.debug("The model %s could not be loaded", parsed, exc_info=True)
            raise ModelError(f"The model {str(parsed)!r} could not be loaded: {cause(error)}") from error


def _copy(name: str, model: Model) -> Model:
    """Return a copy: whoever has the original goes on training it, perhaps, and it stays where it is.

    Raises
    ------
    ModelError
        It cannot be copied.
    """
    from pytest_robustness.models.kept_results import copied

    try:
        return dataclasses.replace(model, module=copied(model.module))
    except Exception as error:
        _log.debug("The model %s cannot be copied", name, exc_info=True)
        raise ModelError(
            f"The model {name!r} cannot be copied: {cause(error)}. A model that is given as an object is copied, so "
            f"that yours stays as it is; a factory makes one for each run, without a copy. Name it: "
            f"python:FILE:FACTORY."
        ) from error


def _ready(name: str, model: Model, hashes: FileHashes) -> Model:
    from pytest_robustness.models.fingerprint import identified
    from pytest_robustness.models.present_weights import require_weights

    require_weights(name, model.module)  # a weight on the meta device cannot be moved to the CPU below
    with contextlib.suppress(NotImplementedError):  # an exported graph has its mode built in
        model.module.eval()
    module = model.module.cpu().float()
    return identified(dataclasses.replace(model, module=module), hashes=hashes)
