"""Answer shift: whether a condition moves a model's answers from some classes to others, right or wrong.

The same images answer twice, so a chi-square test of independent groups does not hold; control and treated are swapped
at random on whole images instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.discrimination import SWAPS, random_signs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.statistics.columns import Floats, Ints

# What each answer's count starts from: an answer that was never seen says nothing.
_PRIOR = 1.0


class AnswerShift(NamedTuple):
    """How far the distribution of answers moved.

    ``moved`` is the total variation distance, 0 to 1: the share of the answers that would have to be others for both
    distributions to be alike. Chance moves answers too: ``by_chance`` is the mean distance under random swaps, and
    ``p_value`` says whether the one observed is more than that. NaN without images.
    """

    moved: float
    by_chance: float
    p_value: float

    @classmethod
    def mean(cls, shifts: Sequence[AnswerShift]) -> AnswerShift:
        """Return the mean distances over models; p is NaN of several, which share their images."""
        if len(shifts) == 1:
            return shifts[0]
        moved, by_chance = np.mean([(shift.moved, shift.by_chance) for shift in shifts], axis=0).tolist()
        return cls(moved, by_chance, math.nan)


def answer_shift(control: Ints, treated: Ints, *, seed: int) -> AnswerShift:
    """Measure how far answers (int [n] each) moved from control to treated."""
    if not len(control):
        return AnswerShift(math.nan, math.nan, math.nan)
    changed = np.flatnonzero(control != treated)
    if not changed.size:
        return AnswerShift(0.0, 0.0, 1.0)
    answers, index = np.unique(np.concatenate([control[changed], treated[changed]]), return_inverse=True)
    before, after = np.split(index, 2)
    counts = [np.bincount(group, minlength=len(answers)) for group in (before, after)]
    observed = int(np.abs(counts[1] - counts[0]).sum())
    distances = np.concatenate(
        [
            _distances(signs, before, after, len(answers))
            for signs in random_signs(changed.size, seed=seed, entries=2 * (changed.size + len(answers)))
        ]
    )
    p = (int(np.count_nonzero(distances >= observed)) + 1) / (SWAPS + 1)
    # An answer that leaves one class and enters another counts twice.
    both = 2 * len(control)
    return AnswerShift(observed / both, float(distances.mean()) / both, p)


def _distances(signs: NDArray[np.int8], before: Ints, after: Ints, classes: int) -> Ints:
    """Return the sum over the classes of the net number of answers [k] for each row of ``signs`` (int8 [k, n])."""
    rows, size = np.arange(len(signs))[:, None] * classes, len(signs) * classes
    weights = signs.ravel().astype(np.float64)
    net = np.bincount((rows + after).ravel(), weights, size) - np.bincount((rows + before).ravel(), weights, size)
    distances: Ints = np.rint(np.abs(net).reshape(len(signs), classes).sum(axis=1)).astype(np.int64)
    return distances


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
