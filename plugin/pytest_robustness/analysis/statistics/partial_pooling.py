"""Partially pooled changes of classes: each class's own change, drawn towards the mean of all classes by its noise.

Of many classes the worst of a small sample look worse than they are, because their noise was unlucky too. The classes
are taken as a sample from a normal distribution whose mean and spread the data decide (the normal hierarchical model
with flat priors; Gelman et al., Bayesian Data Analysis, 3rd ed., section 5.4); the spread is integrated over, not
estimated, which matters with few classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Bools, Floats, Ints

_NODES = 60
_PRIOR_IMAGES = 30


class Pooled(NamedTuple):
    """Partially pooled values and their standard errors: float64 [C] each, NaN where there is no observation."""

    value: Floats
    error: Floats


def sampling_variance(n: Ints, totals: ArrayLike, squares: ArrayLike) -> Floats:
    """Return the variance of each class's mean over its images, float64 [C]; NaN without images.

    The variance within a class is poor evidence with few images: it is averaged with that of all classes, which weighs
    as much as 30 images. One image that changed as much as can be, in each direction, is added to all, so that no
    change among few images is not certainty.

    Parameters
    ----------
    n, totals, squares
        The images of each class, the sum of their changes, -1 to 1 each, and of the squares of these: [C].
    """
    size = np.maximum(n, 1)
    within = np.asarray(squares) - np.asarray(totals) ** 2 / size
    pooled = (within.sum() + 2) / (max(n.sum() - np.count_nonzero(n), 0) + 2)
    own = np.where(n > 0, (within + _PRIOR_IMAGES * pooled) / (size - 1 + _PRIOR_IMAGES), np.nan)
    variance: Floats = own / size
    return variance


def partially_pooled(value: Floats, variance: Floats) -> Pooled:
    """Return the posterior mean and standard deviation of each class's true value.

    Parameters
    ----------
    value, variance
        Each class's value and its sampling variance, above 0: float64 [C]; NaN for a class without observations.
    """
    seen: Bools = ~np.isnan(value)
    pooled = Pooled(np.full(len(value), np.nan), np.full(len(value), np.nan))
    if np.count_nonzero(seen) < 2:
        pooled.value[seen], pooled.error[seen] = value[seen], np.sqrt(variance[seen])
        return pooled
    y, v = value[seen], variance[seen]
    # The nodes lie denser where the spread is small and the posterior bends most.
    position = (np.arange(_NODES) + 0.5) / _NODES
    spread = (3 * np.sqrt(max(float(y.var(ddof=1)), float(v.mean()))) * position**1.5)[:, None]
    precision = 1 / (v + spread**2)
    centre_variance = 1 / precision.sum(axis=1, keepdims=True)
    centre = centre_variance * (precision * y).sum(axis=1, keepdims=True)
    likelihood = (np.log(precision) - precision * (y - centre) ** 2).sum(axis=1)
    log_weight = 0.5 * (np.log(position) + np.log(centre_variance[:, 0]) + likelihood)
    weight = np.exp(log_weight - log_weight.max())[:, None]
    weight /= weight.sum()
    own = spread**2 * precision
    mean = own * y + (1 - own) * centre
    second = own * v + (1 - own) ** 2 * centre_variance + mean**2
    pooled.value[seen] = (weight * mean).sum(axis=0)
    pooled.error[seen] = np.sqrt(np.maximum((weight * second).sum(axis=0) - pooled.value[seen] ** 2, 0.0))
    return pooled
