"""Find the confusions: what the most affected classes are predicted as."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.partial_pooling import pooled_changes
from pytest_robustness.analysis.test_result import Estimate
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.inference.loading.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassTest
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Condition

    Mistakes = tuple[tuple["Confusion", ...], ...]
    """The commonest wrong answers to each class, in the order of the classes."""

_MOST_CLASSES = 10
_MOST_MISTAKES = 5
_MOST_POOLED = 3
# Bits of the number of a name.
_HALF = 32


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
                # As the tests do, of several copies of an image it takes the first.
                first, treated = predictions.distinct, predictions.outputs(cell).predicted
                labels = predictions.labels_of(model)[first]
                found[cell] = class_confusions(labels, control[first], treated[first], targets, names, naming)
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
    pooled = pooled_changes(n, gained - lost, gained + lost)
    return [Estimate(*row) for row in (100 * np.stack(pooled, axis=1)).tolist()]


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
    wrong = _WrongAnswers(predictions)
    before: dict[tuple[str, ...], _Tally] = {}
    found = {}
    for test in tests:
        if test.models not in before:
            before[test.models] = wrong.tally(test.models, CONTROL)
        after = wrong.tally(test.models, test.condition)
        found[Panel(test.condition, test.models)] = wrong.commonest(after, before[test.models])
    return found


class _Tally(NamedTuple):
    """How many images of which class got which wrong answer, ascending by both: int64 [n] each.

    ``mistakes`` has the class in its upper half and the number of the answer's name in its lower one.
    """

    mistakes: NDArray[np.int64]
    images: NDArray[np.int64]

    @property
    def classes(self) -> NDArray[np.int64]:
        return self.mistakes >> _HALF

    @property
    def answers(self) -> NDArray[np.int64]:
        return self.mistakes & ((1 << _HALF) - 1)

    def images_of(self, mistakes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many images made each of ``mistakes``."""
        places = np.searchsorted(self.mistakes, mistakes)
        there = np.flatnonzero(places < len(self.mistakes))
        there = there[self.mistakes[places[there]] == mistakes[there]]
        found = np.zeros(len(mistakes), np.int64)
        found[there] = self.images[places[there]]
        return found


class _WrongAnswers:
    """Counts the wrong answers of several models together, by class and by the name of the answer.

    By name, because the same answer may be another output of another model.
    """

    def __init__(self, predictions: StoredPredictions) -> None:
        self._predictions = predictions
        self._classes = predictions.classes
        self._class_names = predictions.class_names
        self._naming: dict[str, Callable[[int], str]] = {}
        self._numbers: dict[str, int] = {}

    def tally(self, models: Sequence[str], condition: Condition) -> _Tally:
        """Return the wrong answers of ``models`` under a condition."""
        mistakes = [self._mistakes(Cell(model, condition)) for model in models]
        return _Tally(*np.unique(np.concatenate(mistakes), return_counts=True))

    def commonest(self, after: _Tally, before: _Tally) -> Mistakes:
        """Return the commonest mistakes of ``after`` for each class, with their number in both; ties go by name."""
        names = list(self._numbers)
        alphabetical = np.empty(len(names), np.int64)
        alphabetical[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        order = np.lexsort((alphabetical[after.answers], -after.images, after.classes))
        ends = np.searchsorted(after.classes[order], np.arange(len(self._class_names) + 1)).tolist()
        chosen = [order[start : min(start + _MOST_POOLED, end)] for start, end in itertools.pairwise(ends)]
        controls, answers, images = before.images_of(after.mistakes), after.answers, after.images
        return tuple(
            tuple(Confusion(names[answers[i]], int(controls[i]), int(images[i])) for i in places) for places in chosen
        )

    def _mistakes(self, cell: Cell) -> NDArray[np.int64]:
        """Return the wrong answers of one cell as `_Tally` has them, one for each image with one: int64 [n]."""
        labels, (predicted, targets) = self._predictions.labels_of(cell.model), self._predictions.outputs(cell)
        wrong = (predicted >= 0) & (predicted != targets[labels])
        answers = predicted[wrong]
        numbers = np.zeros(1 + answers.max(initial=0), np.int64)
        for answer in np.flatnonzero(np.bincount(answers)).tolist():
            name = self._name(cell.model, targets)(answer)
            numbers[answer] = self._numbers.setdefault(name, len(self._numbers))
        found: NDArray[np.int64] = (labels[wrong] << _HALF) + numbers[answers]
        return found

    def _name(self, model: str, targets: NDArray[np.int64]) -> Callable[[int], str]:
        if model not in self._naming:
            self._naming[model] = answer_naming(targets, self._classes, self._class_names)
        return self._naming[model]
