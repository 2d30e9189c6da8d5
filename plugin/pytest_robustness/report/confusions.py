"""Find the confusions: what the most affected classes are predicted as."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.findings import largest_drops
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.inference.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions

_MOST_CLASSES = 10
_MOST_MISTAKES = 5


class Confusion(NamedTuple):
    """A wrong answer by name, and the number of the class's images with it in control and under the condition."""

    answer: str
    control: int
    treated: int


@dataclasses.dataclass(frozen=True)
class ClassConfusion:
    """A class that fell: how many of its ``n`` images were right, and the commonest wrong answers.

    ``confusions`` holds up to five wrong answers under the condition, commonest first.
    """

    index: int
    name: str
    n: int
    right_control: int
    right_treated: int
    confusions: tuple[Confusion, ...]


def confusions(predictions: StoredPredictions, cells: Iterable[Cell]) -> dict[Cell, tuple[ClassConfusion, ...]]:
    """Return, for each of ``cells``, which are finished, what its most affected classes are predicted as."""
    by_model: dict[str, list[Cell]] = {}
    for cell in cells:
        by_model.setdefault(cell.model, []).append(cell)
    found: dict[Cell, tuple[ClassConfusion, ...]] = {}
    for model, under in by_model.items():
        control, targets = predictions.outputs(Cell(model, CONTROL))
        names = predictions.class_names
        naming = answer_naming(targets, predictions.classes, names)
        for cell in under:
            if cell.condition != CONTROL:
                treated = predictions.outputs(cell).predicted
                found[cell] = class_confusions(predictions.labels, control, treated, targets, names, naming)
    return found


def class_confusions(
    labels: NDArray[np.int64],
    control: NDArray[np.int32],
    treated: NDArray[np.int32],
    targets: NDArray[np.int64],
    names: Sequence[str],
    answer_name: Callable[[int], str],
) -> tuple[ClassConfusion, ...]:
    """Return up to ten classes whose accuracy fell most, worst first; ties go to the lower index.

    Parameters
    ----------
    labels
        The class of each image: int64 [N].
    control, treated
        The model output that each image got, -1 where the image was skipped: int32 [N].
    targets
        The model output of each class: int64 [C].
    names
        The names of the classes.
    answer_name
        Returns the name of a model output.
    """
    classes = len(names)
    n = np.bincount(labels[control >= 0], minlength=classes)
    right_control = np.bincount(labels[control == targets[labels]], minlength=classes)
    right_treated = np.bincount(labels[treated == targets[labels]], minlength=classes)
    fall = (right_control - right_treated) / np.maximum(n, 1)
    worst = largest_drops(fall, _MOST_CLASSES)
    return tuple(
        ClassConfusion(
            index=c,
            name=names[c],
            n=int(n[c]),
            right_control=int(right_control[c]),
            right_treated=int(right_treated[c]),
            confusions=_confusions(control[labels == c], treated[labels == c], int(targets[c]), answer_name),
        )
        for c in worst
    )


def _confusions(
    control: NDArray[np.int32], treated: NDArray[np.int32], target: int, answer_name: Callable[[int], str]
) -> tuple[Confusion, ...]:
    answers, counts = np.unique(treated[(treated >= 0) & (treated != target)], return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:_MOST_MISTAKES]
    return tuple(
        Confusion(answer_name(int(answers[i])), int(np.count_nonzero(control == answers[i])), int(counts[i]))
        for i in commonest
    )
