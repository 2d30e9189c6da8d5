"""Jobs: each is one cell for a sweep to compute, with the model that computes it and its key in the store.

`select` chooses the images. `JobMaker` loads each model once, matches its outputs to the classes of the data, and turns
cells into jobs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_robustness import data
from pytest_robustness.core import (
    CONTROL,
    PIPELINE_VERSION,
    Cell,
    ClassLabel,
    ClassMatch,
    Condition,
    Model,
    Selection,
    Transform,
)
from pytest_robustness.errors import BadImageError, DataError, ErrorText, ModelError, cause
from pytest_robustness.inference.assumptions import assumed
from pytest_robustness.inference.class_matching import display_names, match
from pytest_robustness.inference.first_answers import first_answers
from pytest_robustness.inference.preprocess import to_canvas
from pytest_robustness.inference.user_calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with its weights, whose outputs are matched to the classes of the data.

    ``pixels`` is the area of its canvas, which decides the batch size; ``assumed`` what of its set-up nothing gave;
    ``published`` says that code and weights are those of a released package.
    """

    name: str
    model: Model
    match: ClassMatch
    pixels: int
    assumed: tuple[str, ...] = ()
    published: bool = False

    @functools.cached_property
    def outputs(self) -> NDArray[np.int64]:
        """The model output that stands for each class of the data: int64 [C]."""
        return np.array(self.match.outputs, np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A cell to compute; ``transform`` is ``None`` for control, ``precision`` the number format to compute in."""

    loaded: LoadedModel
    condition: Condition
    transform: Transform | None
    key: str
    precision: str

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.loaded.name, self.condition)

    @property
    def published(self) -> bool:
        """Whether model and transform are of released packages, so that the key holds all that answers depend on."""
        return self.loaded.published and (self.transform is None or getattr(self.transform, "published", False))

    @property
    def description(self) -> dict[str, Any]:
        """What the store says of the cell to people who look into it."""
        return {
            "model": self.loaded.name,
            "transform": self.condition.transform,
            "severity": self.condition.severity,
        }

    @property
    def outputs(self) -> tuple[int, ...]:
        """The output that stands for each class."""
        return self.loaded.match.outputs


class JobMaker:
    """Turns cells into jobs; loads each model once, and remembers those that cannot be loaded.

    ``models`` holds the models loaded so far, by name.

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
    """

    def __init__(
        self,
        selection: Selection,
        zoo: ModelZoo,
        registry: Registry,
        seed: int,
        precision: str,
        calls: UserCalls | None = None,
    ) -> None:
        self.selection = selection
        self.classes = _with_display_names(selection)
        self.precision = precision
        self.models: dict[str, LoadedModel] = {}
        self._zoo = zoo
        self._registry = registry
        self._seed = seed
        self._calls = calls or UserCalls(_log.info)
        self._broken: dict[str, str] = {}

    def jobs(self, cells: list[Cell]) -> tuple[list[Job], dict[Cell, str]]:
        """Return the jobs of ``cells``, and an error message for each cell whose model cannot be judged."""
        jobs: list[Job] = []
        errors: dict[Cell, str] = {}
        for cell in cells:
            loaded = self._loaded(cell.model)
            if loaded is None:
                errors[cell] = self._broken[cell.model]
                continue
            transform = self._transform(cell.condition)
            jobs.append(job(loaded, cell.condition, transform, self._seed, self.precision))
        return jobs, errors

    def transform_key(self, condition: Condition) -> str:
        """Return what the images under ``condition`` depend on, apart from the images themselves."""
        return transform_key(self._transform(condition), condition)

    def _transform(self, condition: Condition) -> Transform | None:
        return None if condition == CONTROL else self._registry.get(condition.transform)

    def _loaded(self, name: str) -> LoadedModel | None:
        if name not in self.models and name not in self._broken:
            try:
                self.models[name] = self._load(name)
            except (ModelError, DataError) as error:
                _log.debug("model %s cannot be judged", name, exc_info=True)
                self._broken[name] = ErrorText(str(error), error)
            except Exception as error:  # user code may raise anything; the other models go on
                _log.debug("model %s cannot be judged", name, exc_info=True)
                self._broken[name] = ErrorText(f"{name} cannot be judged: {cause(error)}", error)
        return self.models.get(name)

    def _load(self, name: str) -> LoadedModel:
        with self._calls.call(name, "when it was loaded"):
            model = self._zoo.load(name)
        canvas = self._first_canvas(model)
        with self._calls.call(name, "on its first images", batch=True):
            first = first_answers(name, model, canvas)
        for text in first.warnings:
            self._calls.warn(text)
        model, classes = first.model, self.selection.source.classes
        matched = match(classes, first.outputs, model.classes, name)
        height, width = canvas.shape[-2:]
        return LoadedModel(
            name,
            model,
            matched,
            pixels=height * width,
            assumed=assumed(model, matched, classes, (height, width)),
            published=self._zoo.published(name),
        )

    def _first_canvas(self, model: Model) -> torch.Tensor:
        """Return the first readable image on the canvas of ``model``: uint8 [3, H, W]."""
        for index in self.selection.indices:
            try:
                return to_canvas(self.selection.source.read(int(index)), model.preprocess.canvas)
            except BadImageError:
                continue
        raise DataError(f"{self.selection.source.name} holds no readable image.")


def select(spec: str, *, limit: int | None, seed: int, download: bool, hashes: FileHashes) -> Selection:
    """Open the data and choose at most ``limit`` images per class; ``hashes`` reads the files.

    Raises
    ------
    DataError
        When the data cannot be opened, or holds no image.
    """
    source = data.open_source(spec, download=download)
    indices = data.select(source, limit, seed)
    if not len(indices):
        raise DataError(f"{source.name} holds no image.")
    return Selection(source, indices, source.labels[indices], data.identities(source, indices, hashes))


def job(
    loaded: LoadedModel,
    condition: Condition,
    transform: Transform | None,
    seed: int,
    precision: str,
) -> Job:
    """Return the job of one cell; its key is the hash of everything that answers depend on besides the image."""
    parts: dict[str, Any] = {
        "pipeline": PIPELINE_VERSION,
        "model": loaded.model.fingerprint,
        "preprocess": dataclasses.asdict(loaded.model.preprocess),
        "transform": transform_key(transform, condition),
        "seed": seed,
        "precision": precision,
    }
    return Job(loaded, condition, transform, content_key(parts), precision)


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


def _with_display_names(selection: Selection) -> tuple[ClassLabel, ...]:
    classes = selection.source.classes
    return tuple(ClassLabel(label.key, name) for label, name in zip(classes, display_names(classes), strict=True))
