"""Two shares of right answers of which the pairs are not known: an interval, and tests of one class and of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pytest_robustness.analysis.statistics.proportion import wilson

if TYPE_CHECKING:
    from pytest_robustness.analysis.statistics.columns import Floats, Ints


def newcombe(right: Ints, n: Ints, right_now: Ints, n_now: Ints) -> tuple[Floats, Floats]:
    """Return the 95 % interval [k] of the change between two independent shares, in points; NaN without images.

    Method 10 of Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions,
    *Statistics in Medicine* 17, 873-890: Wilson's interval of each share, combined. Where both samples are the same
    images, which are easy or hard for both models, it is wider than need be.

    Parameters
    ----------
    right, n, right_now, n_now
        Right answers and images, before and now: int [k].
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        before, now = right / n, right_now / n_now
        (low, high), (low_now, high_now) = wilson(before, n), wilson(now, n_now)
        change = now - before
        least = change - np.sqrt((now - low_now) ** 2 + (high - before) ** 2)
        most = change + np.sqrt((high_now - now) ** 2 + (before - low) ** 2)
    return 100 * least, 100 * most


def fisher(right: Ints, n: Ints, right_now: Ints, n_now: Ints) -> Floats:
    """Return the p [k] of Fisher's exact test, two-sided as twice the smaller tail; NaN without images on a side."""
    tails = stats.hypergeom(n + n_now, right + right_now, n_now)
    p: Floats = np.minimum(2 * np.minimum(tails.cdf(right_now), tails.sf(right_now - 1)), 1.0)
    return np.where((n > 0) & (n_now > 0), p, np.nan)


def fewer_right(right: Ints, n: Ints, right_now: Ints, n_now: Ints) -> Floats:
    """Return a bound [k] of the p of so few right answers now, over classes that are each as right as before.

    Given how many images of a class are right before and now together, how many of them are right now is
    hypergeometric, and so a sum of independent events (Vatutin, V. A. and Mikhailov, V. G. (1982), Limit theorems for
    the number of empty cells, *Theory of Probability and its Applications* 27, 734-743); so is the sum over the
    classes, however the classes differ in size and share. Bennett, G. (1962), Probability inequalities for the sum of
    independent random variables, *Journal of the American Statistical Association* 57, 33-45, bounds its tail.

    Parameters
    ----------
    right, n, right_now, n_now
        Right answers and images, before and now: int [k, C]. Classes without images on a side say nothing.
    """
    total = np.maximum(n + n_now, 2)
    wrong = n + n_now - right - right_now
    expected = wrong * n_now / total
    variance = (expected * n / total * (total - wrong) / (total - 1)).sum(axis=-1)
    seen = (n > 0) & (n_now > 0)
    excess = np.where(seen, n_now - right_now - expected, 0.0).sum(axis=-1)
    by_variance = np.maximum(excess, 0.0) / np.where(variance > 0, variance, 1.0)
    p: Floats = np.exp(-variance * ((1 + by_variance) * np.log1p(by_variance) - by_variance))
    return p
