"""Which images a test takes for its sample, and the answers to them: those that could be read, and copies once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis.predictions import Answers, counts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import AnswerSource, Counts
    from pytest_robustness.core import Cell


def readable_by_all(answers: Iterable[Answers]) -> NDArray[np.bool_]:
    """Return the images that all ways of answering could read: bool [N]."""
    first, *others = answers
    readable = first.readable.copy()
    for other in others:
        readable &= other.readable
    return readable


def tested_counts(source: AnswerSource, cell: Cell) -> Counts:
    """Return the images of a test, copies once, and those of them that are classified correctly, by class."""
    if source.distinct.all():
        return source.counts(cell)
    answers, labels = source.answers(cell), source.labels_of(cell.model)
    tested = Answers(answers.readable & source.distinct, answers.correct & source.distinct)
    return counts_of(tested, labels, len(source.class_names))


def answered_in_both(
    source: AnswerSource, control: Cell, treated: Cell
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the images that were read in both cells, copies once (bool [N]), and the answers to each (bool [n])."""
    before, after = source.answers(control), source.answers(treated)
    both = before.readable & after.readable & source.distinct
    return both, before.correct[both], after.correct[both]
