"""Student's, Welch's and the paired t-test over accuracies, many at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from scipy import special, stats

from pytest_robustness.analysis.statistics.columns import (
    MIN_OBSERVATIONS,
    POWER,
    Bools,
    Columns,
    Floats,
    Ints,
    Part,
    fill,
    to_results,
    undecided,
)
from pytest_robustness.analysis.test_result import CONFIDENCE, TTestResult
from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.core.process import one_thread, warnings_ignored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


GroupTest = Literal["independent", "welch", "paired"]

_ROUNDING = 1e-12


class _Group(NamedTuple):
    """Observations and what half an image makes of each: float64 [k, n] each."""

    values: Floats
    half_image: Floats

    def ordered(self, order: Ints) -> _Group:
        """Return the observations of each row in ``order``: int64 [k, n]."""
        return _Group(*(np.take_along_axis(column, order, axis=1) for column in self))

    def cut(self, rows: Bools, size: int) -> _Group:
        """Return the first ``size`` observations of ``rows`` (bool [k])."""
        return _Group(*(column[rows, :size] for column in self))

    @property
    def constant(self) -> Bools:
        """Whether one value, rounded to whole images, gives all observations: bool [k]."""
        apart = (self.values - self.half_image).max(axis=1) - (self.values + self.half_image).min(axis=1)
        same: Bools = (np.ptp(self.values, axis=1) < _ROUNDING) | (apart < -_ROUNDING)
        return same


def compare(
    control: ArrayLike,
    treated: ArrayLike,
    *,
    test: GroupTest = "independent",
    alpha: float = 0.05,
    images: ArrayLike | None = None,
) -> list[TTestResult]:
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
    images
        How many images each accuracy is of: int [k, n]. An accuracy is a whole number of these, so that accuracies of
        classes of different sizes differ a little where they are as equal as they can be: such have no spread. Without
        it, only equal ones have none.

    Returns
    -------
    list of TTestResult
        One per row, not yet corrected: see `adjust`. ``n`` is the size of the smaller group. ``effect_size`` is
        Cohen's d with the pooled standard deviation or, if paired, d_z. ``detectable_drop`` takes the observed standard
        error for the true one. Groups without spread have no t-test: see `decide_by_images`.

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
    half_image = np.broadcast_to(0.0 if images is None else 50 / np.maximum(np.asarray(images), 1), control.shape)
    groups = _observed_first(_Group(control, half_image), _Group(treated, half_image), test)
    sizes = np.stack([np.count_nonzero(~np.isnan(group.values), axis=1) for group in groups], axis=1)
    columns = undecided(TTestResult, len(sizes))
    for n_control, n_treated in np.unique(sizes, axis=0):
        rows = (sizes == (n_control, n_treated)).all(axis=1)
        before, after = groups[0].cut(rows, n_control), groups[1].cut(rows, n_treated)
        fill(columns, rows, _compare_complete(before, after, test, alpha))
    return to_results(TTestResult, columns, test)


def decide_by_images(results: Sequence[TTestResult], p_values: Sequence[float]) -> list[TTestResult]:
    """Return ``results`` with the p-value of the images where the observations have no spread.

    Twelve models that all lose a class of five images seem certain to a t-test; five images are not.
    """
    return [
        dataclasses.replace(result, p_value=p, p_adjusted=p) if result.constant else result
        for result, p in zip(results, p_values, strict=True)
    ]


def _observed_first(control: _Group, treated: _Group, test: GroupTest) -> tuple[_Group, _Group]:
    """Return both groups with the missing observations of every row last, so that rows of one size can be cut out.

    Sorting does it, and makes the sums independent of the order of the observations.
    """
    if test != "paired":
        control, treated = (group.ordered(np.argsort(group.values, axis=1)) for group in (control, treated))
        return control, treated
    missing = np.isnan(control.values) | np.isnan(treated.values)
    order = np.argsort(np.where(missing, np.nan, treated.values - control.values), axis=1, kind="stable")
    control, treated = (
        group._replace(values=np.where(missing, np.nan, group.values)).ordered(order) for group in (control, treated)
    )
    return control, treated


def _compare_complete(control: _Group, treated: _Group, test: GroupTest, alpha: float) -> Columns:
    """Compare rows that all have the same number of observations: [k, n_control] and [k, n_treated]."""
    before, after = control.values, treated.values
    columns = undecided(TTestResult, len(before))
    columns["n"][:] = min(before.shape[1], after.shape[1])
    columns["control"], columns["treated"] = _mean(before), _mean(after)
    columns["difference"] = columns["treated"] - columns["control"]
    decidable = ~_undecidable(control, treated, test)
    if decidable.any():
        fill(columns, decidable, _t_test(before[decidable], after[decidable], test, alpha))
    return columns


def _undecidable(control: _Group, treated: _Group, test: GroupTest) -> Bools:
    """Return the rows that no t-test can decide, as a mask [k]: too few observations, or observations without spread.

    For paired groups it is the differences that have no spread.
    """
    if min(control.values.shape[1], treated.values.shape[1]) < MIN_OBSERVATIONS:
        return np.ones(len(control.values), dtype=np.bool_)
    if test == "paired":
        return _Group(treated.values - control.values, control.half_image).constant
    return control.constant & treated.constant


def _t_test(control: Floats, treated: Floats, test: GroupTest, alpha: float) -> Part:
    # One group without spread beside one with some is sound, and common: every model at 100 % in control. User code
    # that another thread calls has its filters of warnings put back in the end, in its turn: these are none of them.
    with one_thread(warnings_ignored(RuntimeWarning, "Precision loss")):
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


def _deviation(control: Floats, treated: Floats, test: GroupTest) -> Floats:
    """Return the standard deviation [k] that effect sizes are measured in: pooled, or of the paired differences."""
    if test == "paired":
        variance = np.var(treated - control, axis=1, ddof=1)
    else:
        n_control, n_treated = control.shape[1], treated.shape[1]
        squares = n_control * np.var(control, axis=1) + n_treated * np.var(treated, axis=1)
        variance = squares / (n_control + n_treated - 2)
    return np.asarray(np.sqrt(variance))


def _detectable_noncentrality(df: Floats, alpha: float) -> Floats:
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


def _mean(values: Floats) -> Floats:
    """Return the mean of every row, NaN (without a warning) of empty rows."""
    return np.mean(values, axis=1) if values.shape[1] else np.full(len(values), np.nan)
