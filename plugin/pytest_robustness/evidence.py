"""What a report shows beside the tests: mistaken classes, images with every model's answers, average changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness import statistics
from pytest_robustness.gallery import Answer, Exhibit, shown_classes, shown_tests, typical
from pytest_robustness.matching import imagenet_classes
from pytest_robustness.mistakes import FallenClass, fallen_classes
from pytest_robustness.records import CONTROL, Cell, ClassFinding, ClassTest, Condition, Counts, TestResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.ledger import Ledger
    from pytest_robustness.records import ClassLabel
    from pytest_robustness.store import Store


class _Answers(NamedTuple):
    """One cell's predicted outputs (int32 [N], -1 where skipped) and the output that stands for each class."""

    predicted: NDArray[np.int32]
    targets: NDArray[np.int64]


class Evidence:
    """The predictions of finished cells, looked at image by image.

    Parameters
    ----------
    store
        Where the cells are.
    ledger
        Which cells are finished.
    names
        What the classes are called in reports.
    """

    def __init__(self, store: Store, ledger: Ledger, names: Sequence[str]) -> None:
        self._store = store
        self._ledger = ledger
        self._names = names
        _, self._classes, self._labels = store.dataset(ledger.dataset)

    def fallen(self) -> dict[Cell, tuple[FallenClass, ...]]:
        """Return, for each finished cell, the classes that fell most and what they were mistaken for."""
        return {
            Cell(model, condition): self._fallen(model, condition)
            for model, condition in self._ledger.keys_by_model()
            if condition != CONTROL and self._ledger.finished(Cell(model, CONTROL), Cell(model, condition))
        }

    def exhibits(self, tests: Iterable[ClassTest]) -> tuple[Exhibit, ...]:
        """Return the images to show, without thumbnails; the choice depends on the results alone."""
        return tuple(
            self._exhibit(test, finding, sensitive)
            for test in shown_tests(tests)
            for finding, sensitive in shown_classes(test)
        )

    def _exhibit(self, test: ClassTest, finding: ClassFinding, sensitive: bool) -> Exhibit:
        control = [self._answers(Cell(model, CONTROL)) for model in test.models]
        treated = [self._answers(Cell(model, test.condition)) for model in test.models]
        members = np.flatnonzero((self._labels == finding.index) & (control[0].predicted >= 0))
        right_control, right_treated = (
            [answers.predicted[members] == answers.targets[finding.index] for answers in group]
            for group in (control, treated)
        )
        image = typical(right_control, right_treated)
        answers = tuple(
            Answer(
                model,
                _answer_name(int(before.predicted[members[image]]), before.targets, self._names, self._classes),
                _answer_name(int(after.predicted[members[image]]), after.targets, self._names, self._classes),
                bool(was_right[image]),
                bool(is_right[image]),
            )
            for model, before, after, was_right, is_right in zip(
                test.models, control, treated, right_control, right_treated, strict=True
            )
        )
        return Exhibit(test.condition, finding, sensitive, int(members[image]), answers)
