"""McNemar's exact test: one model on the same images, twice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pytest_robustness.analysis.statistics.accuracy import accuracies
from pytest_robustness.analysis.statistics.columns import (
    MIN_OBSERVATIONS,
    POWER,
    Floats,
    Ints,
    fill,
    to_results,
    undecided,
)
from pytest_robustness.analysis.test_result import CONFIDENCE, McNemarResult

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def mcnemar(control: ArrayLike, treated: ArrayLike, *, alpha: float = 0.05) -> McNemarResult:
    """Test whether one model gets a different share of the same images right: bool [N] each, true where it was right.

    The fields are those of `mcnemar_by_class`, with all images as one class.
    """
    control = np.asarray(control)
    (result,) = mcnemar_by_class(control, treated, np.zeros(control.shape, dtype=np.int64), 1, alpha=alpha)
    return result


def mcnemar_by_class(
    control: ArrayLike, treated: ArrayLike, labels: ArrayLike, classes: int, *, alpha: float = 0.05
) -> list[McNemarResult]:
    """Test for each class whether one model gets a different share of its images right: McNemar's exact test.

    Parameters
    ----------
    control, treated
        Whether the model was right on each image: bool [N].
    labels
        The class of each image, 0 to ``classes - 1``: int [N].
    classes
        The number of classes.
    alpha
        The level for which ``detectable_drop`` is computed.

    Returns
    -------
    list of McNemarResult
        One per class, inconclusive where so few images could not be significant even if all changed. ``n`` counts
        images, ``lost`` those right in control only, ``gained`` those right in treated only; ``effect_size`` is Cohen's
        g, the share of gained among changed images minus one half. The interval is Bonett and Price's (2012, J. Educ.
        Behav. Stat. 37:479). ``detectable_drop`` is conditional on as many images changing as did; see
        `_detectable_loss`.

    Raises
    ------
    ValueError
        If the arrays differ in shape or a label is out of range.
    """
    control, treated = np.asarray(control, dtype=np.bool_), np.asarray(treated, dtype=np.bool_)
    labels = np.asarray(labels, dtype=np.int64)
    if control.ndim != 1 or not control.shape == treated.shape == labels.shape:
        shapes = f"{control.shape}, {treated.shape}, {labels.shape}"
        raise ValueError(f"control, treated and labels must have one shape [N]; got {shapes}")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0 to {classes - 1}; got {labels.min()} to {labels.max()}")
    n, right, right_treated, lost, gained = (
        np.bincount(labels[images], minlength=classes)
        for images in (np.ones_like(control), control, treated, control & ~treated, treated & ~control)
    )
    columns = undecided(McNemarResult, classes)
    columns["n"][:] = n
    columns["control"], columns["treated"] = accuracies(right, n), accuracies(right_treated, n)
    columns["difference"] = accuracies(gained - lost, n)
    columns["lost"], columns["gained"] = lost, gained
    several = n >= MIN_OBSERVATIONS
    fill(columns, several, mcnemar_from_counts(lost[several], gained[several], n[several], alpha=alpha))
    return to_results(McNemarResult, columns)


def mcnemar_from_counts(
    lost: NDArray[np.int64], gained: NDArray[np.int64], n: NDArray[np.int64], *, alpha: float = 0.05
) -> dict[str, NDArray[np.float64]]:
    """Test k pairs of answers by the number of images alone: McNemar's exact test looks at nothing else.

    Parameters
    ----------
    lost, gained
        The images that only the first, and only the second, got right: int64 [k].
    n
        All images, also those that both got right or wrong: int64 [k], at least 2 each.
    alpha
        The level for which ``detectable_drop`` is computed.

    Returns
    -------
    dict
        The fields of `TestResult` that follow from these counts, float64 [k] each, as `mcnemar_by_class` explains them:
        ``ci_low``, ``ci_high``, ``effect_size``, ``p_value`` and ``detectable_drop``.

    Examples
    --------
    >>> found = mcnemar_from_counts(np.array([8]), np.array([2]), np.array([100]))
    >>> found["p_value"].round(3).tolist(), found["effect_size"].round(3).tolist()
    ([0.109], [-0.3])
    """
    changed = lost + gained
    p = mcnemar_p(lost, gained)
    low, high = _bonett_price_interval(lost, gained, n)
    return {
        "ci_low": low,
        "ci_high": high,
        "effect_size": np.where(changed > 0, gained / np.maximum(changed, 1) - 0.5, 0.0),
        # With fewer images, not even the loss of all of them would be significant.
        "p_value": np.where(n < _fewest_significant(alpha), np.nan, p),
        "detectable_drop": 100 * _detectable_loss(changed, n, alpha),
    }


def mcnemar_p(lost: Ints, gained: Ints) -> Floats:
    """Return the p [k] of McNemar's exact test; 1 where no image changed."""
    p: Floats = np.minimum(2 * stats.binom.cdf(np.minimum(lost, gained), lost + gained, 0.5), 1.0)
    return p


def _bonett_price_interval(lost: Ints, gained: Ints, n: Ints) -> tuple[Floats, Floats]:
    """Return the 95 % interval [k] of the difference, in points: Wald's with one image added to each change."""
    p_lost, p_gained = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    centre = p_gained - p_lost
    half = stats.norm.isf((1 - CONFIDENCE) / 2) * np.sqrt((p_lost + p_gained - centre**2) / (n + 2))
    return 100 * np.maximum(centre - half, -1.0), 100 * np.minimum(centre + half, 1.0)


def _detectable_loss(changed: Ints, n: Ints, alpha: float) -> Floats:
    """Return the smallest net share of images lost that the exact test would see with 80 % power.

    McNemar's test is conditional on the number of changed images, and so is its power: of ``changed`` images, each is a
    gain with probability q; the test sees the loss if the gains are at most the critical number. Where too few images
    changed for any split to be significant, the smallest number that could be is taken; NaN where ``n`` is below it.
    """
    d = np.maximum(changed, _fewest_significant(alpha))
    critical = stats.binom.ppf(alpha / 2, d, 0.5)
    critical = np.where(2 * stats.binom.cdf(critical, d, 0.5) < alpha, critical, critical - 1)
    q = stats.beta.ppf(1 - POWER, critical + 1, d - critical)
    return np.where(d <= n, d * (1 - 2 * q) / n, np.nan)


def _fewest_significant(alpha: float) -> int:
    """Return the fewest changed images that are significant if all change alike: the smallest d, 2 * 0.5**d < alpha."""
    return math.floor(1 - math.log2(alpha)) + 1
