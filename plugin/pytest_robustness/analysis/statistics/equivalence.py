"""Test equivalence: is a model as accurate under a condition as in control, within a margin?

A t-test that does not reject does not show that: with few observations it hardly ever rejects. Two one-sided
tests (TOST; Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657) reverse the question. ``docs/statistics.md`` says
when to use which.
"""

from __future__ import annotations

import math

from scipy import stats

from pytest_robustness.analysis.test_result import CONFIDENCE, Equivalence, Outcome, TTestResult, Verdict
from pytest_robustness.errors import OptionError

_ROUNDING = 1e-12


def equivalence(result: TTestResult, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """Test whether a model's mean accuracy over the classes stays within ``margin`` points of control's.

    PASS: shown to be within the margin. FAIL: shown to be outside, the interval lies wholly beyond it. INCONCLUSIVE:
    all else. Each of the two is claimed wrongly at most with chance alpha.

    Parameters
    ----------
    result
        The t-test (independent, welch or paired) of control against the condition, as `statistics.compare` gives it.
        Its policy for degenerate data holds here too: without spread the difference is certain, and p is 0 or 1; fewer
        than two observations in a group are INCONCLUSIVE.
    margin
        In points, above 0.
    alpha
        The level of each one-sided test, below 0.5. Several models need no correction where all of them are to pass.

    Raises
    ------
    OptionError
        If the margin is not above 0 and at most 100.
    """
    if not 0 < margin <= 100:
        raise OptionError(f"equivalence is {margin:g}. Valid: points of accuracy above 0, up to 100, such as 2.")
    low, high, p = _two_one_sided(result, margin, alpha)
    return Equivalence(margin, alpha, result.difference, low, high, p, _judge(result, margin, low, high, p, alpha))


def _two_one_sided(result: TTestResult, margin: float, alpha: float) -> tuple[float, float, float]:
    """Return both ends of the interval of level 1 - 2 alpha, and p."""
    if not result.conclusive:
        return math.nan, math.nan, math.nan
    difference = result.difference
    # The result's own interval holds the standard error of its test, whichever of the three that is.
    error = (result.ci_high - result.ci_low) / 2 / float(stats.t.isf((1 - CONFIDENCE) / 2, result.df))
    if error == 0:
        return difference, difference, 0.0 if abs(difference) <= margin + _ROUNDING else 1.0
    half = float(stats.t.isf(alpha, result.df)) * error
    p_below = float(stats.t.sf((difference + margin) / error, result.df))
    p_above = float(stats.t.cdf((difference - margin) / error, result.df))
    return difference - half, difference + half, max(p_below, p_above)


def _judge(result: TTestResult, margin: float, low: float, high: float, p: float, alpha: float) -> Verdict:
    if not result.conclusive:
        return Verdict(Outcome.INCONCLUSIVE, f"only {result.n} of the 2 observations that a test needs in each group")
    found = f"{result.difference:+.2f} points ({100 * (1 - 2 * alpha):g} % interval {low:+.2f} to {high:+.2f})"
    if p < alpha:
        return Verdict(Outcome.PASS, f"shown to be within {margin:g} points: {found}, p = {p:.2g}")
    if low > margin + _ROUNDING or high < -margin - _ROUNDING:
        return Verdict(Outcome.FAIL, f"shown to differ by more than {margin:g} points: {found}")
    return Verdict(Outcome.INCONCLUSIVE, f"neither within {margin:g} points nor beyond is shown: {found}")
