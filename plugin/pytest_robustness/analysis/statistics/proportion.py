"""A share of images with its exact interval, and how many images would decide on which side of a bound it lies."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

from scipy import stats

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
