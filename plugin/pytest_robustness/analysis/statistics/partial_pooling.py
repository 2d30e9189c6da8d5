"""Partially pooled changes of classes: each class's own change, drawn towards that of the others by its noise.

Of many classes the worst of a small sample look worse than they are, because their noise was unlucky too. The classes
are taken as a sample from a normal distribution whose mean and spread the data decide (the normal hierarchical model
with flat priors; Gelman et al., Bayesian Data Analysis, 3rd ed., section 5.4); the spread is integrated over, not
estimated, which matters with few classes.

A normal distribution has no outliers: it would draw the one class that a transform breaks to the many that it leaves
alone. So a class may also stand apart, its true change anywhere between -1 and 1, and the data decide how likely that
is (a mixture: chapter 22 there). Of a class apart its own images alone say what to expect.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Bools, Floats, Ints

_NODES = 30
_ROUNDS = 3
_PRIOR_IMAGES = 100
# The logarithm of the density of a true change that may be anything from -1 to 1, times the square root of 2 pi.
_LOG_APART = math.log(math.sqrt(2 * math.pi) / 2)
_TAIL = 0.05
# No tail of 5 % begins so many standard deviations away.
_FAR = 5.0
_HALVINGS = 20
_TINY = 1e-300


class Pooled(NamedTuple):
    """Partially pooled changes and their 90 % intervals, -1 to 1: float64 [C] each, NaN where there is no image."""

    value: Floats
    low: Floats
    high: Floats


class Normal(NamedTuple):
    """What is known of each class's true change: mean and standard deviation, float64 [C] each."""

    mean: Floats
    error: Floats


def pooled_changes(n: Ints, totals: ArrayLike, squares: ArrayLike) -> Pooled:
    """Return the change of each class to expect on other images, with its 90 % interval.

    It is that of a mixture: the class is one of the others, or stands apart from them. Classes that are more likely
    apart than not are pooled among themselves, since the worst of these looks worse than it is, too. The interval
    reaches over that of the mixture and the one that the class's own images give: of a class that is unlike the others,
    be it in its change or in its size, the mixture alone is too sure.

    Parameters
    ----------
    n, totals, squares
        The images of each class, the sum of their changes, -1 to 1 each, and of the squares of these: [C].
    """
    seen: Bools = n > 0
    pooled = Pooled(*np.full((3, len(n)), np.nan))
    size, total, square = n[seen], np.asarray(totals)[seen], np.asarray(squares)[seen]
    if not size.size:
        return pooled
    own = own_changes(size, total, square)
    among, alone, apart = own, Normal(own.mean.copy(), own.error.copy()), np.ones(len(size))
    if len(size) > 1:
        among, apart = pool_with_outliers(own.mean, sampling_variance(size, total, square), 0.5 / size)
        outliers = apart > 1 / 2
        if np.count_nonzero(outliers) > 1:
            alone.mean[outliers], alone.error[outliers] = pool(own.mean[outliers], own.error[outliers] ** 2)
    value = (1 - apart) * among.mean + apart * alone.mean
    low, high = (_quantile(level, among, alone, apart) for level in (_TAIL, 1 - _TAIL))
    half = float(special.ndtri(1 - _TAIL)) * own.error
    pooled.value[seen] = value
    pooled.low[seen] = np.maximum(np.minimum(low, own.mean - half), -1.0)
    pooled.high[seen] = np.minimum(np.maximum(high, own.mean + half), 1.0)
    return pooled


def sampling_variance(n: Ints, totals: Floats, squares: Floats) -> Floats:
    """Return the variance of each class's mean over its images if it is one of the others: float64 [C].

    The variance within a class is poor evidence with few images: it is averaged with that of all classes, which weighs
    as much as 100 images. One image that changed as much as can be, in each direction, is added to all, so that no
    change among few images is not certainty.

    Parameters
    ----------
    n, totals, squares
        As `pooled_changes` takes them, of classes with images.
    """
    within = squares - totals**2 / n
    of_all = (within.sum() + 2) / (n.sum() - len(n) + 2)
    variance: Floats = (within + _PRIOR_IMAGES * of_all) / (n - 1 + _PRIOR_IMAGES) / n
    return variance


def own_changes(n: Ints, totals: Floats, squares: Floats) -> Normal:
    """Return what the images of each class say of it alone.

    The error is that with one image more lost and one more gained, as in Bonett and Price's interval (2012, J. Educ.
    Behav. Stat. 37:479): that all images changed, or none, is no certainty.

    Parameters
    ----------
    n, totals, squares
        As `pooled_changes` takes them, of classes with images.
    """
    more = n + 2
    return Normal(totals / n, np.sqrt(((squares + 2) / more - (totals / more) ** 2) / more))


def pool(value: Floats, variance: Floats) -> Normal:
    """Return the posterior of each class's true value where all classes are of one normal distribution.

    Parameters
    ----------
    value, variance
        Each class's value and its sampling variance, above 0: float64 [C], of two classes or more.
    """
    return _posterior(value, variance)[0]


def pool_with_outliers(value: Floats, variance: Floats, steps: ArrayLike) -> tuple[Normal, Floats]:
    """Return the posterior of each class's true value if it is one of the others, and how likely it stands apart: [C].

    Parameters
    ----------
    value, variance
        As `pool` takes them. The value of a class apart is anything from -1 to 1, and the share of these classes has a
        flat prior.
    steps
        How much of a value's distance from the others shows nothing, as values have steps: half an image, [C].
    """
    return _posterior(value, variance, steps)


def _posterior(value: Floats, variance: Floats, steps: ArrayLike | None = None) -> tuple[Normal, Floats]:
    """Integrate over the spread; given that, centre and share of outliers are fitted by steps of an EM algorithm."""
    classes = len(value)
    # The nodes lie denser where the spread is small and the posterior bends most.
    position = (np.arange(_NODES) + 0.5) / _NODES
    spread = (3 * np.sqrt(max(float(value.var(ddof=1)), float(variance.mean()))) * position**1.5)[:, None]
    precision = 1 / (variance + spread**2)
    scale = np.log(precision) / 2
    centre, apart = np.full((_NODES, 1), np.median(value)), np.zeros_like(precision)
    share = np.full((_NODES, 1), 1 / (classes + 2))
    for _ in range(1 if steps is None else _ROUNDS):
        if steps is not None:
            distance = np.maximum(np.abs(value - centre) - steps, 0.0)
            log_odds = np.log(share / (1 - share)) + _LOG_APART - scale + precision * distance**2 / 2
            apart = special.expit(log_odds)
            share = (apart.sum(axis=1, keepdims=True) + 1) / (classes + 2)
        weight = (1 - apart) * precision
        centre_variance = 1 / np.maximum(weight.sum(axis=1, keepdims=True), _TINY)
        centre = centre_variance * (weight * value).sum(axis=1, keepdims=True)
    likelihood = scale - precision * (value - centre) ** 2 / 2
    if steps is not None:
        likelihood = np.logaddexp(np.log1p(-share) + likelihood, np.log(share) + _LOG_APART)
    log_weight = np.log(position) / 2 + np.log(centre_variance[:, 0]) / 2 + likelihood.sum(axis=1)
    node = np.exp(log_weight - log_weight.max())[:, None]
    node /= node.sum()
    # Of the nodes, those count for a class in which it is one of the others.
    among = node * (1 - apart) + _TINY
    among /= among.sum(axis=0)
    own = spread**2 * precision
    mean = own * value + (1 - own) * centre
    second = own * variance + (1 - own) ** 2 * centre_variance + mean**2
    found = (among * mean).sum(axis=0)
    error = np.sqrt(np.maximum((among * second).sum(axis=0) - found**2, _TINY))
    return Normal(found, error), (node * apart).sum(axis=0)


def _quantile(level: float, among: Normal, alone: Normal, apart: Floats) -> Floats:
    """Return a quantile of the mixture of two normal distributions, by halving: float64 [C]."""
    low = np.minimum(among.mean - _FAR * among.error, alone.mean - _FAR * alone.error)
    high = np.maximum(among.mean + _FAR * among.error, alone.mean + _FAR * alone.error)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = (1 - apart) * special.ndtr((middle - among.mean) / among.error)
        below += apart * special.ndtr((middle - alone.mean) / alone.error)
        low, high = np.where(below < level, middle, low), np.where(below < level, high, middle)
    found: Floats = (low + high) / 2
    return found
