"""Accuracies from counts, and how they compare with guessing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Floats


def accuracies(correct: ArrayLike, n: ArrayLike) -> Floats:
    """Return the accuracies in percent, float64 [..., C], NaN where a class has no image.

    Parameters
    ----------
    correct, n
        The images of each class that were classified correctly, and all of them: int [..., C], broadcast together.
    """
    hits, n = np.broadcast_arrays(100.0 * np.asarray(correct), np.asarray(n))
    percent: Floats = np.divide(hits, n, out=np.full(n.shape, np.nan), where=n > 0)
    return percent


def above_chance(correct: int, n: int, classes: int) -> bool:
    """Whether an accuracy can be told from guessing one of ``classes`` at random.

    It is at chance level up to the 95 % quantile of the binomial of ``n`` and ``1 / classes``. Fewer than 30 images, or
    fewer than two classes, are not judged: the answer is then true.
    """
    return n < 30 or classes < 2 or bool(correct > stats.binom.ppf(0.95, n, 1 / classes))
