"""Answer churn: which answers to the same images are others than before, and whether that is for the better."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers.images import Overlap


class AnswerChurn(NamedTuple):
    """Images by what became of the answer to them.

    ``harmful`` were right and are wrong now, ``beneficial`` were wrong and are right now, ``other_wrong`` were wrong
    and are wrong in another way now. ``n`` counts all that both could read.
    """

    n: int
    harmful: int
    beneficial: int
    other_wrong: int

    @property
    def changed(self) -> int:
        """How many answers changed."""
        return self.harmful + self.beneficial + self.other_wrong

    @property
    def unchanged(self) -> int:
        """How many answers did not."""
        return self.n - self.changed

    def text(self) -> str:
        """Return the counts in a sentence without an end."""
        if not self.changed:
            return f"no answer of {self.n:,} changed"
        return (
            f"{counted(self.changed, 'answer')} of {self.n:,} changed: {self.harmful:,} from right to "
            f"wrong, {self.beneficial:,} from wrong to right, {self.other_wrong:,} from one wrong class "
            f"to another"
        )


class Given(NamedTuple):
    """One way of answering: the class that each image is taken for (int [N], -1: not read), and whether it is right."""

    answers: NDArray[np.integer]
    right: NDArray[np.bool_]


def churn_by_class(before: Given, now: Given, labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count by class: int64 [4, C], the rows in the order of `AnswerChurn`.

    Parameters
    ----------
    before, now
        Answers to the same images, by the same numbers.
    labels
        The class of each image: int64 [N].
    classes
        How many there are.
    """
    read = (before.answers >= 0) & (now.answers >= 0)
    other = ~before.right & ~now.right & (before.answers != now.answers)
    kinds = (np.ones_like(read), before.right & ~now.right, now.right & ~before.right, other)
    return np.array([np.bincount(labels[read & kind], minlength=classes) for kind in kinds], np.int64)


def churn(before: Given, now: Given) -> AnswerChurn:
    """Count the answers that changed; arguments as for `churn_by_class`."""
    counts = churn_by_class(before, now, np.zeros(len(before.right), np.int64), 1)
    return AnswerChurn(*counts[:, 0].tolist())


def named(answers: NDArray[np.integer], outputs: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return answers of one model by numbers that another model's share: int64 [N], -1 where an image was not read.

    Where both models have the same outputs, these are the numbers. Else they are the classes, and all outputs that
    stand for none of the data's are one number, because nothing says which of them are the same.

    Parameters
    ----------
    answers
        The outputs that the model predicted: int [N].
    outputs, others
        Which output of this model, and of the other, stands for each class: int64 [C], -1 for a class without one.
    """
    found: NDArray[np.int64] = answers.astype(np.int64)
    if np.array_equal(outputs, others):
        return found
    table = np.full(int(max(found.max(initial=0), outputs.max(initial=0))) + 1, len(outputs), np.int64)
    table[outputs[outputs >= 0]] = np.flatnonzero(outputs >= 0)
    return np.where(found < 0, -1, table[np.maximum(found, 0)])


def in_order_of(overlap: Overlap, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a former model's outputs (int64 [C before]) in the order of the present classes, -1 for a new class."""
    places = overlap.class_positions
    return np.where(places < 0, -1, outputs[places])
