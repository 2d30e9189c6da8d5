"""Find the confusions: what the most affected classes are predicted as."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from pytest_robustness.analysis.statistics.partial_pooling import partially_pooled, sampling_variance
from pytest_robustness.analysis.test_result import Estimate
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.inference.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassTest
    from pytest_robustness.analysis.predictions import StoredPredictions

    Mistakes = tuple[tuple["Confusion", ...], ...]
    """The commonest wrong answers to each class, in the order of the classes."""

_MOST_CLASSES = 10
_MOST_MISTAKES = 5
_MOST_POOLED = 3
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


def pooled_mistakes(predictions: StoredPredictions, tests: Iterable[ClassTest]) -> dict[Panel, Mistakes]:
    """Return, for each class test, the commonest wrong answers to each class over its models: three at most.

    Parameters
    ----------
    predictions
        The finished cells, those of the tests among them.
    tests
        The tests of the classes.
    """
    readers: dict[str, _NamedAnswers] = {}
    found = {}
    for test in tests:
        for model in test.models:
            readers.setdefault(model, _NamedAnswers(predictions, model))
        counts: dict[int, Counter[str]] = {}
        before: dict[int, Counter[str]] = {}
        for model in test.models:
            readers[model].count(Cell(model, test.condition), counts)
            readers[model].count(Cell(model, CONTROL), before)
        found[Panel(test.condition, test.models)] = tuple(
            tuple(
                Confusion(answer, before.get(c, Counter())[answer], number)
                for answer, number in sorted(counts.get(c, Counter()).items(), key=lambda pair: (-pair[1], pair[0]))[
                    :_MOST_POOLED
                ]
            )
            for c in range(len(predictions.class_names))
        )
    return found


class _NamedAnswers:
    """Counts the wrong answers of one model by class and name."""

    def __init__(self, predictions: StoredPredictions, model: str) -> None:
        self._predictions = predictions
        self._labels = predictions.labels_of(model)
        targets = predictions.outputs(Cell(model, CONTROL)).targets
        self._targets = targets
        self._name = answer_naming(targets, predictions.classes, predictions.class_names)

    def count(self, cell: Cell, counts: dict[int, Counter[str]]) -> None:
        """Add the wrong answers of a cell to ``counts``, by class."""
        predicted = self._predictions.outputs(cell).predicted.astype(np.int64)
        wrong = (predicted >= 0) & (predicted != self._targets[self._labels])
        pairs, numbers = np.unique(np.stack([self._labels[wrong], predicted[wrong]]), axis=1, return_counts=True)
        for (label, answer), number in zip(pairs.T.tolist(), numbers.tolist(), strict=True):
            counts.setdefault(label, Counter())[self._name(answer)] += number
