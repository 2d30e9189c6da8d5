"""The answers of a run's models to its images, under each condition."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.answers.arrays import Arrays, Row
from pytest_robustness.analysis.answers.images import ImageSet
from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers.comparable import RunProtocol
    from pytest_robustness.core import ClassLabel, Condition


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedModel:
    """One model's answers.

    Parameters
    ----------
    fingerprint
        Identifies its weights.
    outputs
        The model output that stands for each class of the data: int64 [C].
    answers
        The output that it predicted for each image, -1 where that could not be read: int32 [N] by condition, control
        included.
    """

    fingerprint: str
    outputs: NDArray[np.int64]
    answers: Mapping[Condition, NDArray[np.int32]]

    def right(self, condition: Condition, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images it got right: bool [N]; ``labels`` (int64 [N]) are their classes."""
        found: NDArray[np.bool_] = self.answers[condition] == self.outputs[labels]
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedAnswers:
    """The answers of one model or more to the same images."""

    protocol: RunProtocol
    images: ImageSet
    models: Mapping[str, RecordedModel]


def cells(conditions: Mapping[str, Iterable[Condition]]) -> list[tuple[str, Condition]]:
    """Return model and condition of each row of answers: by name, and control before the others of its model."""
    return [
        (model, condition)
        for model in sorted(conditions)
        for condition in sorted(conditions[model], key=lambda condition: (condition != CONTROL, str(condition)))
    ]


def rows(cells: Sequence[tuple[str, Condition]]) -> list[Row]:
    """Return what a file of answers must know of its rows; ``cells`` are model and condition of each."""
    numbers = {model: number for number, model in enumerate(dict.fromkeys(model for model, _ in cells))}
    controls = {model: row for row, (model, condition) in enumerate(cells) if condition == CONTROL}
    return [Row(numbers[model], -1 if condition == CONTROL else controls.get(model, -1)) for model, condition in cells]


def to_arrays(recorded: RecordedAnswers, document: bytes) -> tuple[Arrays, list[Row]]:
    """Return the arrays of a file with these answers, and their rows; ``document`` is what the file says besides."""
    images, models = recorded.images, recorded.models
    order = _canonical(images)
    found = cells({name: model.answers for name, model in models.items()})
    answers = np.empty((len(found), len(order)), np.int32)
    for row, (name, condition) in zip(answers, found, strict=True):
        row[:] = models[name].answers[condition][order]
    arrays = Arrays(
        document=document,
        identities=np.ascontiguousarray(images.identities[order]),
        labels=images.labels[order],
        outputs=np.array([models[name].outputs for name in sorted(models)], np.int64).reshape(-1, len(images.classes)),
        answers=answers,
    )
    return arrays, rows(found)


def _canonical(images: ImageSet) -> NDArray[np.int64]:
    """Return the order in which a file holds images, int64 [N]: by class, then by identity.

    Labels in order take no space, and the same images in another order give the same file.
    """
    words = np.ascontiguousarray(images.identities).view(">u8").reshape(-1, 2)
    return np.lexsort((words[:, 1], words[:, 0], images.labels))


def from_arrays(
    arrays: Arrays,
    protocol: RunProtocol,
    classes: tuple[ClassLabel, ...],
    fingerprints: Mapping[str, str],
    conditions: Mapping[str, Iterable[Condition]],
) -> RecordedAnswers:
    """Return the answers that a file holds; the other arguments are what its document says."""
    by_cell = dict(zip(cells(conditions), arrays.answers, strict=True))
    models = {
        name: RecordedModel(
            fingerprint=fingerprints[name],
            outputs=outputs,
            answers={condition: by_cell[name, condition] for condition in conditions[name]},
        )
        for name, outputs in zip(sorted(fingerprints), arrays.outputs, strict=True)
    }
    return RecordedAnswers(protocol, ImageSet(arrays.identities, arrays.labels, classes), models)
