"""Answer shift: whether a condition moves a model's answers from some classes to others, right or wrong.

The same images answer twice, so a chi-square test of independent groups does not hold; control and treated are swapped
at random on whole images instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.discrimination import SWAPS, random_signs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.statistics.columns import Floats, Ints

# What each answer's count starts from: an answer that was never seen says nothing.
_PRIOR = 1.0


class AnswerShift(NamedTuple):
    """How far the distribution of answers moved.

    ``moved`` is the total variation distance, 0 to 1: the share of the answers that would have to be others for both
    distributions to be alike. Chance adds to it; ``p_value`` says whether it is more than chance.
    """

    moved: float
    p_value: float

    @classmethod
    def mean(cls, shifts: Sequence[AnswerShift]) -> AnswerShift:
        """Return the mean distance over models; p is NaN of several, which share their images."""
        return cls(float(np.mean([shift.moved for shift in shifts])), shifts[0].p_value if len(shifts) == 1 else np.nan)


def answer_shift(control: Ints, treated: Ints, *, seed: int) -> AnswerShift:
    """Measure how far answers (int [n] each) moved from control to treated."""
    changed = np.flatnonzero(control != treated)
    if not changed.size:
        return AnswerShift(0.0, 1.0)
    answers, index = np.unique(np.concatenate([control[changed], treated[changed]]), return_inverse=True)
    before, after = np.split(index, 2)
    observed = int(
        np.abs(np.bincount(after, minlength=len(answers)) - np.bincount(before, minlength=len(answers))).sum()
    )
    as_far = 0
    for signs in random_signs(changed.size, seed=seed, entries=2 * (changed.size + len(answers))):
        rows = np.arange(len(signs))[:, None] * len(answers)
        weights = signs.ravel().astype(np.float64)
        size = len(signs) * len(answers)
        net = np.bincount((rows + after).ravel(), weights, size) - np.bincount((rows + before).ravel(), weights, size)
        as_far += int(np.count_nonzero(np.abs(net).reshape(len(signs), -1).sum(axis=1) >= observed - 0.5))
    return AnswerShift(observed / (2 * len(control)), (as_far + 1) / (SWAPS + 1))


def answer_scores(control: Ints, treated: Ints, *, seed: int) -> tuple[Floats, Floats]:
    """Return how much each answer speaks for treated, control and treated (float64 [n] each): a log-ratio of counts.

    The counts come from one half of the images, drawn with ``seed``, whose own scores are NaN: those of the other half
    are as independent of them as new images, so that an interval over these holds. An answer that the first half never
    gave scores 0.
    """
    answers, index = np.unique(np.concatenate([control, treated]), return_inverse=True)
    before, after = np.split(index, 2)
    learned = np.zeros(len(control), np.bool_)
    learned[np.random.default_rng(seed).permutation(len(control))[: len(control) // 2]] = True
    counts = [np.bincount(group[learned], minlength=len(answers)) + _PRIOR for group in (before, after)]
    ratio = np.log(counts[1] / counts[0])
    return np.where(learned, np.nan, ratio[before]), np.where(learned, np.nan, ratio[after])
