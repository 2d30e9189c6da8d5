"""Find the confusions: what the most affected classes are predicted as."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from pytest_robustness.analysis.statistics.partial_pooling import partially_pooled, sampling_variance
from pytest_robustness.analysis.test_result import Estimate
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.inference.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions

_MOST_CLASSES = 10
_MOST_MISTAKES = 5
_QUANTILE = float(stats.norm.isf(0.05))


class Confusion(NamedTuple):
    """A wrong answer by name, and the number of the class's images with it in control and under the condition."""

    answer: str
    control: int
    treated: int


@dataclasses.dataclass(frozen=True)
class ClassConfusion:
    """A class that fell: how many of its ``n`` images were right, and the commonest wrong answers.

    ``expected`` is the change in points to expect on other images, with its 90 % interval: partially pooled over the
    classes. ``confusions`` holds up to five wrong answers under the condition, commonest first.
    """

    index: int
    name: str
    n: int
    right_control: int
    right_treated: int
    expected: Estimate
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
                found[cell] = class_confusions(predictions.labels_of(model), control, treated, targets, names, naming)
    return found


def class_confusions(
    labels: NDArray[np.int64],
    control: NDArray[np.int32],
    treated: NDArray[np.int32],
    targets: NDArray[np.int64],
    names: Sequence[str],
    answer_name: Callable[[int], str],
) -> tuple[ClassConfusion, ...]:
    """Return up to ten classes that fell and are expected to fall most on other images, worst first.

    Ties go to the lower index.

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
    before, after = control == targets[labels], treated == targets[labels]
    n, right_control, right_treated, lost, gained = (
        np.bincount(labels[chosen], minlength=classes)
        for chosen in (control >= 0, before, after, before & ~after, after & ~before)
    )
    expected = expected_changes(n, lost, gained)
    fell = np.flatnonzero(right_control > right_treated).tolist()
    return tuple(
        ClassConfusion(
            index=c,
            name=names[c],
            n=int(n[c]),
            right_control=int(right_control[c]),
            right_treated=int(right_treated[c]),
            expected=expected[c],
            confusions=_confusions(control[labels == c], treated[labels == c], int(targets[c]), answer_name),
        )
        for c in sorted(fell, key=lambda c: expected[c].value)[:_MOST_CLASSES]
    )


def expected_changes(n: NDArray[np.int64], lost: NDArray[np.int64], gained: NDArray[np.int64]) -> list[Estimate]:
    """Return the change of each class to expect on other images, in points, partially pooled, with its 90 % interval.

    Parameters
    ----------
    n, lost, gained
        The images of each class, those that are right in control only, and under the condition only: int64 [C].
    """
    change = np.divide(gained - lost, n, out=np.full(len(n), np.nan), where=n > 0)
    pooled = partially_pooled(change, sampling_variance(n, gained - lost, gained + lost))
    half = _QUANTILE * pooled.error
    low, high = np.maximum(pooled.value - half, -1.0), np.minimum(pooled.value + half, 1.0)
    return [Estimate(*row) for row in (100 * np.stack([pooled.value, low, high], axis=1)).tolist()]


def _confusions(
    control: NDArray[np.int32], treated: NDArray[np.int32], target: int, answer_name: Callable[[int], str]
) -> tuple[Confusion, ...]:
    answers, counts = np.unique(treated[(treated >= 0) & (treated != target)], return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:_MOST_MISTAKES]
    return tuple(
        Confusion(answer_name(int(answers[i])), int(np.count_nonzero(control == answers[i])), int(counts[i]))
        for i in commonest
    )
