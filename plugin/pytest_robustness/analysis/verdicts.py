"""Judge test results: does a model, or do the classes, pass, fail, or stay inconclusive, and why?"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from scipy import stats

from pytest_robustness.analysis.test_result import AnyTestResult, Correction, MaxSensitive, Outcome, Verdict
from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHANCE_QUANTILE = 0.95


def judge_model(result: AnyTestResult, alpha: float) -> Verdict:
    """Fail a model that is impacted: its test rejects, at ``alpha`` and after correction, that nothing changed.

    A rise of accuracy fails as well: the test is two-sided, and the model is as sensitive.
    """
    if not result.conclusive:
        return Verdict(Outcome.INCONCLUSIVE, _too_few(result, alpha))
    p = f"{_p_name(result)} = {_p_value(result.p_adjusted, alpha)}"
    if result.rejects(alpha):
        direction = "fell" if result.difference < 0 else "rose"
        change = _points(abs(result.difference))
        return Verdict(Outcome.FAIL, f"accuracy {direction} {change}, {p} < alpha {alpha:g}")
    return Verdict(Outcome.PASS, f"{p} >= alpha {alpha:g}: no change shown{_sensitivity(result)}")


def judge_classes(
    results: Sequence[AnyTestResult], alpha: float, max_sensitive: MaxSensitive, correction: Correction = "none"
) -> Verdict:
    """Fail a condition under which more classes are sensitive than allowed.

    Parameters
    ----------
    results
        One test per class. Inconclusive ones count neither way; the reason gives their number.
    alpha
        The level at which a class is sensitive, after correction.
    max_sensitive
        How many sensitive classes to allow: see `allowed_sensitive`.
    correction
        The correction that ``results`` carry.
    """
    tested = sum(result.conclusive for result in results)
    if not tested:
        few = "no class has an image" if not results else _too_few(max(results, key=lambda result: result.n), alpha)
        return Verdict(Outcome.INCONCLUSIVE, f"no class could be tested: {few}")
    sensitive = sum(result.rejects(alpha) for result in results)
    allowed = allowed_sensitive(tested, alpha, max_sensitive, correction)
    outcome, relation = (Outcome.FAIL, "more than") if sensitive > allowed else (Outcome.PASS, "within")
    limit = f"the {allowed} that chance explains" if max_sensitive == "chance" else f"the {allowed} allowed"
    reason = f"{sensitive} of {tested} classes sensitive at alpha {alpha:g}, {relation} {limit}"
    left_out = len(results) - tested
    return Verdict(outcome, f"{reason}; {left_out} could not be tested" if left_out else reason)


def allowed_sensitive(n_tested: int, alpha: float, max_sensitive: MaxSensitive, correction: Correction = "none") -> int:
    """Return how many of ``n_tested`` classes may be sensitive before the class test fails.

    Parameters
    ----------
    n_tested
        The number of classes that could be tested.
    alpha
        The level of their tests.
    max_sensitive
        ``chance``: the 95 % quantile of the binomial of ``n_tested`` and ``alpha``, which true null hypotheses alone
        would exceed in at most one run of twenty; none after a correction, whose level bounds the chance of even one.
        A float: that fraction of the classes, rounded down. An int: itself.
    correction
        The correction that the tests carry.

    Raises
    ------
    OptionError
        If ``max_sensitive`` is none of these.

    Examples
    --------
    >>> allowed_sensitive(1000, 0.05, "chance")
    62
    """
    if max_sensitive == "chance":
        return 0 if correction != "none" else int(stats.binom.ppf(_CHANCE_QUANTILE, n_tested, alpha))
    if isinstance(max_sensitive, int) and max_sensitive >= 0:
        return max_sensitive
    if isinstance(max_sensitive, float) and 0 <= max_sensitive <= 1:
        # The decimal that was written, not the float nearest to it: 0.29 of 100 classes are 29, where floats say 28.
        return math.floor(Fraction(str(max_sensitive)) * n_tested)
    raise OptionError(
        f"max-sensitive is {max_sensitive!r}. "
        "Valid: 'chance', a count of classes such as 5, or a fraction of them such as 0.1."
    )


def _too_few(result: AnyTestResult, alpha: float) -> str:
    if result.test == "mcnemar":
        images = "image" if result.n == 1 else "images"
        return f"of {result.n} {images} no change could be significant at alpha {alpha:g}"
    return f"only {result.n} of the 2 observations that a test needs in each group"


def _p_name(result: AnyTestResult) -> str:
    return "p" if result.p_adjusted == result.p_value else "corrected p"


def _p_value(p: float, alpha: float) -> str:
    """Return ``p`` to two digits, or to as many as show on which side of ``alpha`` it lies."""
    texts = (f"{p:.{digits}g}" for digits in range(2, 18))
    return next(text for text in texts if (float(text) < alpha) == (p < alpha))


def _points(points: float) -> str:
    """Return points to one decimal, or to one digit where that would show nothing."""
    return f"{points:.1f} points" if points >= 0.05 else f"{points:.1g} points"


def _sensitivity(result: AnyTestResult) -> str:
    """Return the drop that the test could have detected, as a remark; nothing where it is unknown or 0."""
    if not result.detectable_drop > 0:
        return ""
    if result.detectable_drop > result.control:
        return " (the observations are too few or too scattered to see even a fall to zero 80 % of the time)"
    return f" (a drop of {_points(result.detectable_drop)} would have been seen 80 % of the time)"
