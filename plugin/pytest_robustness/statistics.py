"""The statistics of robustness: whether an accuracy differs under a condition, and by how much.

scipy and statsmodels compute; this module arranges the data and adds one policy for degenerate data. Accuracies are
percentages, differences are percentage points, ``difference == treated - control``, and every test is two-sided.
``docs/statistics.md`` explains the tests to people who use them.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.errors import OptionError, unknown
from pytest_robustness.records import Correction, TestKind, TestResult

if TYPE_CHECKING:
    from collections.abc import Sequence

GroupTest = Literal["independent", "welch", "paired"]

MIN_OBSERVATIONS = 2
POWER = 0.8
CONFIDENCE = 0.95
_ROUNDING = 1e-12
_MULTIPLETESTS_METHOD = {"bh": "fdr_bh", "holm": "holm"}

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_Ints = NDArray[np.int64]
_Columns = dict[str, NDArray[Any]]
"""Every field of `TestResult` but ``test``, in the record's order, with one value per comparison: [k]."""
_Part = Mapping[str, ArrayLike]
"""Some of these fields, for some of the comparisons."""


def compare(
    control: ArrayLike, treated: ArrayLike, *, test: GroupTest = "independent", alpha: float = 0.05
) -> list[TestResult]:
    """Test for each of k rows whether the mean accuracy of two groups differs.

    Parameters
    ----------
    control, treated
        Accuracies in percent: float [k, n], k comparisons of n observations in each group. NaN is a missing
        observation, left out of its group (and, if ``test`` is paired, out of the other group too).
    test
        ``independent`` (Student), ``welch`` (unequal variances) or ``paired`` (the groups' columns belong together).
    alpha
        The level for which ``detectable_drop`` is computed.

    Returns
    -------
    list of TestResult
        One per row, not yet corrected: see `adjust`. ``n`` is the size of the smaller group. ``effect_size`` is
        Cohen's d with the pooled standard deviation or, if paired, d_z. ``detectable_drop`` takes the observed standard
        error for the true one.

    Raises
    ------
    OptionError
        If ``test`` is not one of the three.
    ValueError
        If the groups are not of one shape [k, n].

    Examples
    --------
    >>> result, = compare([[90.0, 92.0, 94.0]], [[60.0, 62.0, 64.0]], test="welch")
    >>> round(result.difference, 1), round(result.ci_low, 1), round(result.ci_high, 1)
    (-30.0, -34.5, -25.5)
    """
    if test not in get_args(GroupTest):
        raise OptionError(unknown("test", test, get_args(GroupTest)))
    control, treated = np.asarray(control, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    if control.ndim != 2 or control.shape != treated.shape:
        raise ValueError(f"control and treated must have one shape [k, n]; got {control.shape}, {treated.shape}")
    control, treated = _observed_first(control, treated, test)
    sizes = np.stack([np.count_nonzero(~np.isnan(group), axis=1) for group in (control, treated)], axis=1)
    columns = _undecided(len(sizes))
    for n_control, n_treated in np.unique(sizes, axis=0):
        rows = (sizes == (n_control, n_treated)).all(axis=1)
        _fill(columns, rows, _compare_complete(control[rows, :n_control], treated[rows, :n_treated], test, alpha))
    return _records(test, columns)


def _observed_first(control: _Floats, treated: _Floats, test: GroupTest) -> tuple[_Floats, _Floats]:
    """Return both groups with the missing observations of every row last, so that rows of one size can be cut out.

    Sorting does it, and makes the sums independent of the order of the observations.
    """
    if test != "paired":
        return np.sort(control, axis=1), np.sort(treated, axis=1)
    missing = np.isnan(control) | np.isnan(treated)
    control, treated = np.where(missing, np.nan, control), np.where(missing, np.nan, treated)
    order = np.argsort(treated - control, axis=1, kind="stable")
    return np.take_along_axis(control, order, axis=1), np.take_along_axis(treated, order, axis=1)


def _compare_complete(control: _Floats, treated: _Floats, test: GroupTest, alpha: float) -> _Columns:
    """Compare rows that all have the same number of observations: float64 [k, n_control] and [k, n_treated]."""
    columns = _undecided(len(control))
    columns["n"][:] = min(control.shape[1], treated.shape[1])
    columns["control"], columns["treated"] = _mean(control), _mean(treated)
    columns["difference"] = columns["treated"] - columns["control"]
    degenerate, decided = _decide_degenerate(control, treated, test)
    _fill(columns, degenerate, decided)
    if not degenerate.all():
        _fill(columns, ~degenerate, _t_test(control[~degenerate], treated[~degenerate], test, alpha))
    return columns


def _decide_degenerate(control: _Floats, treated: _Floats, test: GroupTest) -> tuple[_Bools, _Part]:
    """Return the rows that a t-test cannot decide, as a mask [k], and what the policy says of them.

    Too few observations decide nothing. Observations without spread leave no doubt: the groups are equal (p = 1) or
    they are not (p = 0). For paired groups it is the differences that have no spread.
    """
    if min(control.shape[1], treated.shape[1]) < MIN_OBSERVATIONS:
        return np.ones(len(control), dtype=np.bool_), {}
    varying = (treated - control,) if test == "paired" else (control, treated)
    constant = np.logical_and.reduce([np.ptp(values, axis=1) < _ROUNDING for values in varying])
    difference = _mean(treated[constant]) - _mean(control[constant])
    difference[np.abs(difference) < _ROUNDING] = 0.0
    certain = np.copysign(np.where(difference == 0.0, 0.0, np.inf), difference)
    return constant, {
        "difference": difference,
        "ci_low": difference,
        "ci_high": difference,
        "effect_size": certain,
        "statistic": certain,
        "df": np.full_like(difference, sum(values.shape[1] - 1 for values in varying)),
        "p_value": np.where(difference == 0.0, 1.0, 0.0),
        "detectable_drop": np.zeros_like(difference),
    }


def _t_test(control: _Floats, treated: _Floats, test: GroupTest, alpha: float) -> _Part:
    with warnings.catch_warnings():
        # One group without spread beside one with some is sound, and common: every model at 100 % in control.
        warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)
        if test == "paired":
            result = stats.ttest_rel(treated, control, axis=1)
        else:
            result = stats.ttest_ind(treated, control, axis=1, equal_var=test == "independent")
    interval = result.confidence_interval(CONFIDENCE)
    df = np.broadcast_to(result.df, len(control))
    standard_error = (interval.high - interval.low) / 2 / stats.t.isf((1 - CONFIDENCE) / 2, df)
    return {
        "ci_low": interval.low,
        "ci_high": interval.high,
        "effect_size": (_mean(treated) - _mean(control)) / _deviation(control, treated, test),
        "statistic": result.statistic,
        "df": df,
        "p_value": result.pvalue,
        "detectable_drop": standard_error * _detectable_noncentrality(df, alpha),
    }


def _deviation(control: _Floats, treated: _Floats, test: GroupTest) -> _Floats:
    """Return the standard deviation [k] that effect sizes are measured in: pooled, or of the paired differences."""
    if test == "paired":
        variance = np.var(treated - control, axis=1, ddof=1)
    else:
        n_control, n_treated = control.shape[1], treated.shape[1]
        squares = n_control * np.var(control, axis=1) + n_treated * np.var(treated, axis=1)
        variance = squares / (n_control + n_treated - 2)
    return np.asarray(np.sqrt(variance))


def _detectable_noncentrality(df: _Floats, alpha: float) -> _Floats:
    """Return the true drop [k], in standard errors, that a two-sided t-test sees as a drop with 80 % power.

    statsmodels' ``solve_power`` answers the same question, but for few observations and a small alpha its answers are
    wrong, without a warning (two and 0.01: 10 standard deviations, power 63 %). scipy's inverse loops for ever where
    the critical value is in the hundred thousands; there the mean's noise is nothing beside that of the deviation.
    """
    distinct, where = np.unique(df, return_inverse=True)
    critical = np.asarray(stats.t.isf(alpha / 2, distinct))
    noncentrality = np.asarray(critical * np.sqrt(stats.chi2.ppf(POWER, distinct) / distinct))
    usual = critical < 1000
    noncentrality[usual] = special.nctdtrinc(distinct[usual], 1 - POWER, critical[usual])
    return noncentrality[where]


def mcnemar(control: ArrayLike, treated: ArrayLike, *, alpha: float = 0.05) -> TestResult:
    """Test whether one model gets a different share of the same images right: bool [N] each, true where it was right.

    The fields are those of `mcnemar_by_class`, with all images as one class.
    """
    control = np.asarray(control)
    (result,) = mcnemar_by_class(control, treated, np.zeros(control.shape, dtype=np.int64), 1, alpha=alpha)
    return result


def mcnemar_by_class(
    control: ArrayLike, treated: ArrayLike, labels: ArrayLike, classes: int, *, alpha: float = 0.05
) -> list[TestResult]:
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
    list of TestResult
        One per class. ``n`` counts images; ``statistic`` counts the images lost (right in control only), so that the
        images gained are ``statistic + n * difference / 100``; ``df`` is NaN; ``effect_size`` is Cohen's g, the share
        of gained among changed images minus one half. The interval is Bonett and Price's (2012, J. Educ. Behav. Stat.
        37:479). ``detectable_drop`` is conditional on as many images changing as did; see `_detectable_loss`.

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
    columns = _undecided(classes)
    columns["n"][:] = n
    columns["control"], columns["treated"] = accuracies(right, n), accuracies(right_treated, n)
    columns["difference"] = accuracies(gained - lost, n)
    testable = n >= MIN_OBSERVATIONS
    _fill(columns, testable, mcnemar_from_counts(lost[testable], gained[testable], n[testable], alpha=alpha))
    return _records("mcnemar", columns)


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
        ``ci_low``, ``ci_high``, ``effect_size``, ``statistic``, ``p_value`` and ``detectable_drop``.

    Examples
    --------
    >>> found = mcnemar_from_counts(np.array([8]), np.array([2]), np.array([100]))
    >>> found["p_value"].round(3).tolist(), found["effect_size"].round(3).tolist()
    ([0.109], [-0.3])
    """
    changed = lost + gained
    low, high = _bonett_price_interval(lost, gained, n)
    return {
        "ci_low": low,
        "ci_high": high,
        "effect_size": np.where(changed > 0, gained / np.maximum(changed, 1) - 0.5, 0.0),
        "statistic": lost.astype(np.float64),
        "p_value": np.minimum(2 * stats.binom.cdf(np.minimum(lost, gained), changed, 0.5), 1.0),
        "detectable_drop": 100 * _detectable_loss(changed, n, alpha),
    }


def _bonett_price_interval(lost: _Ints, gained: _Ints, n: _Ints) -> tuple[_Floats, _Floats]:
    """Return the 95 % interval [k] of the difference, in points: Wald's with one image added to each change."""
    p_lost, p_gained = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    centre = p_gained - p_lost
    half = stats.norm.isf((1 - CONFIDENCE) / 2) * np.sqrt((p_lost + p_gained - centre**2) / (n + 2))
    return 100 * np.maximum(centre - half, -1.0), 100 * np.minimum(centre + half, 1.0)


def _detectable_loss(changed: _Ints, n: _Ints, alpha: float) -> _Floats:
    """Return the smallest net share of images lost that the exact test would see with 80 % power.

    McNemar's test is conditional on the number of changed images, and so is its power: of ``changed`` images, each is a
    gain with probability q; the test sees the loss if the gains are at most the critical number. Where too few images
    changed for any split to be significant, the smallest number that could be is taken; NaN where ``n`` is below it.
    """
    fewest = math.floor(math.log2(2 / alpha)) + 1  # the smallest d with 2 * 0.5 ** d < alpha
    d = np.maximum(changed, fewest)
    critical = stats.binom.ppf(alpha / 2, d, 0.5)
    critical = np.where(2 * stats.binom.cdf(critical, d, 0.5) < alpha, critical, critical - 1)
    q = stats.beta.ppf(1 - POWER, critical + 1, d - critical)
    return np.where(d <= n, d * (1 - 2 * q) / n, np.nan)


def adjust(results: Sequence[TestResult], correction: Correction) -> list[TestResult]:
    """Return the results with ``p_adjusted`` corrected for their number: they are the family.

    Parameters
    ----------
    results
        The tests of one family. Inconclusive ones do not count as members and stay inconclusive.
    correction
        ``none``; ``holm`` (1979) bounds the chance of any false rejection; ``bh`` (Benjamini and Hochberg, 1995) bounds
        the expected share of false ones among the rejections.

    Raises
    ------
    OptionError
        If ``correction`` is not one of the three.
    """
    if correction not in get_args(Correction):
        raise OptionError(unknown("correction", correction, get_args(Correction)))
    adjusted = np.array([result.p_value for result in results], dtype=np.float64)
    family = ~np.isnan(adjusted)
    if correction != "none" and family.any():
        adjusted[family] = multipletests(adjusted[family], method=_MULTIPLETESTS_METHOD[correction])[1]
    return [dataclasses.replace(result, p_adjusted=p) for result, p in zip(results, adjusted.tolist(), strict=True)]


def accuracies(correct: ArrayLike, n: ArrayLike) -> _Floats:
    """Return the accuracies in percent, float64 [..., C], NaN where a class has no image.

    Parameters
    ----------
    correct, n
        The images of each class that were classified correctly, and all of them: int [..., C], broadcast together.
    """
    hits, n = np.broadcast_arrays(100.0 * np.asarray(correct), np.asarray(n))
    percent: _Floats = np.divide(hits, n, out=np.full(n.shape, np.nan), where=n > 0)
    return percent


def above_chance(correct: int, n: int, classes: int) -> bool:
    """Whether an accuracy can be told from guessing one of ``classes`` at random.

    It is at chance level up to the 95 % quantile of the binomial of ``n`` and ``1 / classes``. Fewer than 30 images, or
    fewer than two classes, are not judged: the answer is then true.
    """
    return n < 30 or classes < 2 or bool(correct > stats.binom.ppf(0.95, n, 1 / classes))


def _undecided(k: int) -> _Columns:
    """Return the columns of k results that say nothing yet: no observations, and NaN."""
    names = [field.name for field in dataclasses.fields(TestResult) if field.name != "test"]
    return {name: np.zeros(k, np.int64) if name == "n" else np.full(k, np.nan) for name in names}


def _fill(columns: _Columns, rows: _Bools, part: _Part) -> None:
    for name, values in part.items():
        columns[name][rows] = values


def _records(test: TestKind, columns: _Columns) -> list[TestResult]:
    columns["p_adjusted"] = columns["p_value"]
    return [TestResult(test, *row) for row in zip(*(column.tolist() for column in columns.values()), strict=True)]


def _mean(values: _Floats) -> _Floats:
    """Return the mean of every row, NaN (without a warning) of empty rows."""
    return np.mean(values, axis=1) if values.shape[1] else np.full(len(values), np.nan)
