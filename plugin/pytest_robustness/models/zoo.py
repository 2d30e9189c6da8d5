"""The one place that turns names into models."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.errors import ModelError, RobustnessError, cause
from pytest_robustness.models.names import parse
from pytest_robustness.models.presets import PRESETS
from pytest_robustness.models.sources import SOURCES
from pytest_robustness.models.weights import WeightsPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.core import Model


class ModelZoo:
    """Every model that can be named, from every source.

    Parameters
    ----------
    weights_dir
        Directory that holds published weights files; ``None`` downloads them into the cache of their library.
    trust_pickle
        Read also weights files that need a full pickle, which can run any code.
    """

    def __init__(self, weights_dir: Path | None = None, trust_pickle: bool = False) -> None:
        policy = WeightsPolicy(weights_dir, trust_pickle)
        self._sources = {name: make(policy) for name, make in SOURCES.items()}

    def known(self) -> dict[str, list[str]]:
        """Return the names that exist: of the presets, then of each source, in the order of the table."""
        return {
            "presets": sorted(PRESETS),
            **{name: list(source.known()) for name, source in self._sources.items()},
        }

    def expand(self, specs: Sequence[str]) -> tuple[str, ...]:
        """Return the canonical names that ``specs`` stand for: presets expanded, each name once, in order.

        No weights are read, and of what a check needs only what cannot be told from the name is imported.

        Raises
        ------
        OptionError
            A name is malformed or not known; the message lists the valid ones.
        """
        names: dict[str, None] = {}
        for spec in specs:
            for member in PRESETS.get(spec.strip(), (spec,)):
                parsed = parse(member)
                self._sources[parsed.source].check(parsed.name, parsed.weights)
                names[str(parsed)] = None
        return tuple(names)

    def load(self, spec: str) -> Model:
        """Return the model in eval mode, on the CPU, in float32, with its fingerprint.

        Raises
        ------
        OptionError
            The name is malformed or not known.
        ModelError
            Anything that goes wrong while the model is made, by its name and its cause.
        """
        parsed = parse(spec)
        source = self._sources[parsed.source]
        source.check(parsed.name, parsed.weights)
        try:
            return _ready(source.load(parsed.name, parsed.weights))
        except RobustnessError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(f"The model {str(parsed)!r} could not be loaded: {cause(error)}") from error


def _ready(model: Model) -> Model:
    from pytest_robustness.models.fingerprint import fingerprint

    with contextlib.suppress(NotImplementedError):  # an exported graph has its mode in itself
        model.module.eval()
    module = model.module.cpu().float()
    return dataclasses.replace(model, module=module, fingerprint=model.fingerprint or fingerprint(model))
