"""A share of images with its interval, and how many images would decide on which side of a bound it lies."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from pytest_robustness.analysis.test_result import CONFIDENCE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Floats

# Each halves the logarithm of a number of images, up to 2 ** 40.
_SIZE_STEPS: Final = 40
_LARGEST: Final = 40.0


@dataclasses.dataclass(frozen=True)
class Proportion:
    """``count`` of ``n`` images, with Clopper and Pearson's interval: shares from 0 to 1, all of them without images.

    Each end of the interval is a one-sided exact binomial test.
    """

    count: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share of the images; NaN without any."""
        return self.count / self.n if self.n else math.nan


def proportion(count: int, n: int, alpha: float) -> Proportion:
    """Return ``count`` of ``n`` images with the exact interval of level 1 - 2 alpha.

    Examples
    --------
    >>> proportion(0, 299, 0.05).high < 0.01 < proportion(0, 298, 0.05).high
    True
    """
    if not n:
        return Proportion(0, 0, 0.0, 1.0)
    interval = stats.binomtest(count, n).proportion_ci(1 - 2 * alpha, method="exact")
    return Proportion(count, n, float(interval.low), float(interval.high))


def wilson(share: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """Return the 95 % interval [k] of shares (0 to 1) of ``n`` images each, which need not be whole; NaN without any.

    It is that of Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference, *Journal
    of the American Statistical Association* 22, 209-212. For many shares in one curve: the exact one is wider.
    """
    p, size = np.asarray(share, np.float64), np.asarray(n, np.float64)
    z = float(stats.norm.isf((1 - CONFIDENCE) / 2))
    centre = (p + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def images_to_decide(found: Proportion, bound: float, alpha: float) -> float:
    """Return how many images would show on which side of ``bound`` (a share) the share lies, if it stays what it is.

    Infinite where it lies at the bound itself, or where there are no images.
    """
    if not found.n or found.value == bound:
        return math.inf
    below, low, high = found.value < bound, 0.0, _LARGEST
    for _ in range(_SIZE_STEPS):
        middle = (low + high) / 2
        end = _end(found.value, 2**middle, alpha, upper=below)
        decided = end < bound if below else end > bound
        low, high = (low, middle) if decided else (middle, high)
    return math.inf if high == _LARGEST else 2**high


def _end(share: float, n: float, alpha: float, *, upper: bool) -> float:
    """Return an end of the interval of a share of ``n`` images; neither need be whole numbers."""
    count = share * n
    if upper:
        return float(stats.beta.ppf(1 - alpha, count + 1, n - count)) if count < n else 1.0
    return float(stats.beta.ppf(alpha, count, n - count + 1)) if count > 0 else 0.0
