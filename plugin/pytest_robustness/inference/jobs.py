"""Jobs: each is one cell for a sweep to compute, with the model that computes it and its key in the store.

`JobMaker` loads each model once, matches its outputs to the classes of the data, and turns cells into jobs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from pytest_robustness.core import (
    CONTROL,
    PIPELINE_VERSION,
    Cell,
    ClassLabel,
    Condition,
    Preprocess,
    Selection,
    Transform,
    bound,
)
from pytest_robustness.core.errors import DataError, ErrorText, ModelError, cause
from pytest_robustness.core.process import quick_imports
from pytest_robustness.inference.loading.class_matching import display_names
from pytest_robustness.inference.loading.loaded_model import kept_outputs
from pytest_robustness.inference.user_calls.calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_robustness.inference.loading.loaded_model import LoadedModel, OutputRule
    from pytest_robustness.inference.loading.model_facts import ModelFacts
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A cell to compute; ``transform`` is ``None`` for control, ``precision`` the number format to compute in.

    ``transform_key`` is the transform's part of the key.
    """

    loaded: LoadedModel
    condition: Condition
    transform: Transform | None
    key: str
    precision: str
    transform_key: str

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.loaded.name, self.condition)

    @property
    def published(self) -> bool:
        """Whether model and transform are of released packages, so that the key holds all that answers depend on."""
        return self.loaded.published and (self.transform is None or getattr(self.transform, "published", False))

    @property
    def variants(self) -> tuple[Transform | None, ...]:
        """The transforms of which each image's worst answer counts; usually the job's own alone."""
        return getattr(self.transform, "variants", (self.transform,))

    @property
    def needs_labels(self) -> bool:
        """Whether answers depend on the labels of the images: which of several is the worst."""
        return len(self.variants) > 1

    @property
    def description(self) -> dict[str, Any]:
        """What the store says of the cell: to people who look into it, and to a run that finds its model changed."""
        return {
            "model": self.loaded.name,
            "transform": self.condition.transform,
            "severity": self.condition.severity,
            "fingerprint": self.loaded.model.fingerprint,
            "transform_key": self.transform_key,
        }

    @property
    def outputs(self) -> tuple[int, ...]:
        """The output that stands for each class."""
        return self.loaded.match.outputs


class JobMaker:
    """Turns cells into jobs; loads each model once, and remembers those that cannot be loaded.

    ``models`` holds the models loaded so far, by name; ``zoo`` loads them.

    Parameters
    ----------
    selection
        The images.
    zoo
        Loads models.
    registry
        Knows the transforms.
    seed, precision
        Of the run; they are part of every key.
    calls
        Calls the models' code; ``None``: without notes and deadline.
    same_classes
        Whether a model whose outputs are not those of the first is refused.
    output_rule
        Which outputs of a model count.
    """

    def __init__(
        self,
        selection: Selection,
        zoo: ModelZoo,
        registry: Registry,
        seed: int,
        precision: str,
        calls: UserCalls | None = None,
        *,
        same_classes: bool = False,
        output_rule: OutputRule = "all",
    ) -> None:
        self.selection = selection
        self.classes = _with_display_names(selection)
        self.precision = precision
        self.models: dict[str, LoadedModel] = {}
        self.zoo = zoo
        self._registry = registry
        self._seed = seed
        self.same_classes = same_classes
        self.output_rule = output_rule
        self._calls = calls or UserCalls(_log.info)
        self._broken: dict[str, str] = {}

    def jobs(self, cells: list[Cell]) -> tuple[list[Job], dict[Cell, str]]:
        """Return the jobs of ``cells``, and an error message for each cell whose model cannot be judged."""
        jobs: list[Job] = []
        errors: dict[Cell, str] = {}
        self._load(dict.fromkeys(cell.model for cell in cells))
        for cell in cells:
            loaded = self.models.get(cell.model)
            if loaded is None:
                errors[cell] = self._broken[cell.model]
                continue
            made = job(loaded, cell.condition, self._transform(cell.condition), self._seed, self.precision)
            if made.needs_labels and not self.selection.labelled:
                errors[cell] = (
                    f"{cell.condition} cannot be judged without labels: which answer is the worst, the label decides. "
                    f"Leave it out, or judge with the labels of the data."
                )
            else:
                jobs.append(made)
        return jobs, errors

    def published(self, cell: Cell) -> bool:
        """Whether model and transform of a cell are of released packages; neither is loaded.

        Without labels none is whose answers depend on them: it is refused when it becomes a job.
        """
        transform = self._transform(cell.condition)
        if not self.selection.labelled and len(getattr(transform, "variants", ())) > 1:
            return False
        return self.zoo.published(cell.model) and (transform is None or getattr(transform, "published", False))

    def key(self, cell: Cell, facts: ModelFacts) -> str:
        """Return the key of a cell of whose model ``facts`` are known."""
        transform = self.transform_key(cell.condition)
        return cell_key(facts.fingerprint, facts.preprocess, transform, self._seed, self.precision, facts.kept)

    def as_judged(self, facts: ModelFacts) -> ModelFacts:
        """Return ``facts``, of a run in which other outputs of the model counted perhaps, as they are in this one."""
        kept = kept_outputs(facts.outputs, facts.output_count, self.output_rule)
        return dataclasses.replace(facts, kept=kept)

    def transform_key(self, condition: Condition) -> str:
        """Return what the images under ``condition`` depend on, apart from the images themselves."""
        return transform_key(self._transform(condition), condition)

    def transform_keys(self, cells: Iterable[Cell]) -> dict[str, str]:
        """Return the same of the conditions of ``cells``, by name."""
        conditions = {cell.condition: None for cell in cells}
        return {str(condition): self.transform_key(condition) for condition in conditions}

    def _transform(self, condition: Condition) -> Transform | None:
        return None if condition == CONTROL else bound(self._registry.get(condition.transform), self.selection)

    def _load(self, names: Iterable[str]) -> None:
        """Load the models called ``names``, each once."""
        with quick_imports():  # of PyTorch, torchvision and their compilers
            from pytest_robustness.inference.loading.model_loading import load_model, open_model

        opened = []
        for name in names:
            if name not in self.models and name not in self._broken:
                with self._own_fault(name):
                    opened.append(open_model(name, self.zoo, self._calls))
        for model in opened:
            with self._own_fault(model.name):
                loaded = load_model(model, self.selection, self._calls, self.output_rule)
                if self.same_classes:
                    _require_same_classes(loaded, self.models.values())
                self.models[model.name] = loaded

    @contextlib.contextmanager
    def _own_fault(self, name: str) -> Iterator[None]:
        """Note why a model cannot be judged; the others go on."""
        try:
            yield
        except (ModelError, DataError) as error:
            _log.debug("model %s cannot be judged", name, exc_info=True)
            self._broken[name] = ErrorText(str(error), error)
        except Exception as error:  # user code may raise anything
            _log.debug("model %s cannot be judged", name, exc_info=True)
            self._broken[name] = ErrorText(f"{name} cannot be judged: {cause(error)}", error)


def job(
    loaded: LoadedModel,
    condition: Condition,
    transform: Transform | None,
    seed: int,
    precision: str,
) -> Job:
    """Return the job of one cell; its key is the hash of everything that answers depend on besides the image."""
    model = loaded.model
    of_transform = transform_key(transform, condition)
    key = cell_key(model.fingerprint, model.preprocess, of_transform, seed, precision, loaded.kept)
    return Job(loaded, condition, transform, key, precision, of_transform)


def cell_key(
    fingerprint: str, preprocess: Preprocess, transform: str, seed: int, precision: str, kept: tuple[int, ...] = ()
) -> str:
    """Return the key of a cell: that of a model with this fingerprint, under a transform with this key.

    ``kept`` are the outputs that answers are among; where they are all (empty), the key is as if there was no choice.
    """
    parts = {
        "pipeline": PIPELINE_VERSION,
        "model": fingerprint,
        "preprocess": preprocess.parts,
        "transform": transform,
        "seed": seed,
        "precision": precision,
    }
    return content_key(parts | ({"outputs": kept} if kept else {}))


def content_key(parts: Mapping[str, Any]) -> str:
    """Return the sha256 of ``parts``, which must hold everything that a result depends on.

    Examples
    --------
    >>> content_key({"seed": 0, "model": "a"}) == content_key({"model": "a", "seed": 0})
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def transform_key(transform: Transform | None, condition: Condition) -> str:
    """Return what the images under ``condition`` depend on; no transform means control."""
    return str(CONTROL) if transform is None else transform.key(condition.severity)


def _require_same_classes(loaded: LoadedModel, others: Iterable[LoadedModel]) -> None:
    """Raise `ModelError` where the outputs of a model are not those of the first."""
    first = next(iter(others), loaded)
    if loaded.classes == first.classes:
        return
    differs = f"{len(loaded.classes)} outputs, and {first.name} {len(first.classes)}"
    if len(loaded.classes) == len(first.classes):
        place = next(i for i, pair in enumerate(zip(loaded.classes, first.classes, strict=True)) if len({*pair}) > 1)
        differs = f"{loaded.classes[place]!r} as output {place}, and {first.name} {first.classes[place]!r}"
    raise ModelError(
        f"{loaded.name} has {differs}: without labels the outputs are the classes, so that all models of a run need "
        f"the same, in one order. Judge it in a run of its own."
    )


def _with_display_names(selection: Selection) -> tuple[ClassLabel, ...]:
    classes = selection.classes
    return tuple(ClassLabel(label.key, name) for label, name in zip(classes, display_names(classes), strict=True))
