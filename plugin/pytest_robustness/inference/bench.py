"""The bench: the data is opened, each model is loaded and matched with it, and cells become jobs."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from pytest_robustness import data
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Model, Selection
from pytest_robustness.errors import BadImageError, DataError, ErrorText, ModelError, cause
from pytest_robustness.inference.canvas import to_canvas
from pytest_robustness.inference.class_matching import display_names, match
from pytest_robustness.inference.jobs import Job, Subject, count_outputs, job, transform_key

if TYPE_CHECKING:
    import torch

    from pytest_robustness.core import Condition, Transform
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)


class Bench:
    """What a sweep works on.

    Parameters
    ----------
    selection
        The images.
    zoo
        Where models come from.
    registry
        Where transforms come from.
    seed, precision
        Of the run; they are part of every key.
    """

    def __init__(self, selection: Selection, zoo: ModelZoo, registry: Registry, seed: int, precision: str) -> None:
        self.selection = selection
        self.classes = _named(selection)
        self._zoo = zoo
        self._registry = registry
        self._seed = seed
        self.precision = precision
        self.subjects: dict[str, Subject] = {}
        self._broken: dict[str, str] = {}

    def jobs(self, cells: list[Cell]) -> tuple[list[Job], dict[Cell, str]]:
        """Return the jobs of ``cells``, and a message for each cell whose model cannot be judged."""
        jobs: list[Job] = []
        errors: dict[Cell, str] = {}
        for cell in cells:
            subject = self._subject(cell.model)
            if subject is None:
                errors[cell] = self._broken[cell.model]
                continue
            transform = self._transform(cell.condition)
            jobs.append(job(subject, cell.condition, transform, self.selection, self._seed, self.precision))
        return jobs, errors

    def transform_key(self, condition: Condition) -> str:
        """Return what the images under ``condition`` depend on besides the images themselves."""
        return transform_key(self._transform(condition), condition)

    def _transform(self, condition: Condition) -> Transform | None:
        return None if condition == CONTROL else self._registry.get(condition.transform)

    def _subject(self, name: str) -> Subject | None:
        if name not in self.subjects and name not in self._broken:
            try:
                self.subjects[name] = self._load(name)
            except (ModelError, DataError) as error:
                _log.debug("%s cannot be judged", name, exc_info=True)
                self._broken[name] = ErrorText(str(error), error)
            except Exception as error:  # whatever a user's model does, the others go on
                _log.debug("%s cannot be judged", name, exc_info=True)
                self._broken[name] = ErrorText(f"{name} cannot be judged: {cause(error)}", error)
        return self.subjects.get(name)

    def _load(self, name: str) -> Subject:
        model = self._zoo.load(name)
        canvas = self._canvas(model)
        outputs = count_outputs(name, model, canvas)
        matched = match(self.selection.source.classes, outputs, model.classes, name)
        return Subject(name, model, matched, pixels=canvas.shape[-2] * canvas.shape[-1])

    def _canvas(self, model: Model) -> torch.Tensor:
        """Return the first image that can be read, on the canvas of ``model``: uint8 [3, H, W]."""
        for index in self.selection.indices:
            try:
                return to_canvas(self.selection.source.read(int(index)), model.preprocess.canvas)
            except BadImageError:
                continue
        raise DataError(f"{self.selection.source.name} holds no readable image.")


def select(spec: str, *, limit: int | None, seed: int, download: bool) -> Selection:
    """Open the data and choose at most ``limit`` images per class.

    Raises
    ------
    DataError
        When the data cannot be opened, or holds no image.
    """
    source = data.open_source(spec, download=download)
    indices = data.select(source.labels, limit, seed)
    if not len(indices):
        raise DataError(f"{source.name} holds no image.")
    # The indices as well: they seed each image's random draws, and a file more or less in a folder shifts them.
    fingerprint = hashlib.sha256(source.fingerprint(indices).encode() + indices.astype("<i8").tobytes()).hexdigest()
    return Selection(source, indices, source.labels[indices], fingerprint)


def _named(selection: Selection) -> tuple[ClassLabel, ...]:
    classes = selection.source.classes
    return tuple(ClassLabel(label.key, name) for label, name in zip(classes, display_names(classes), strict=True))
