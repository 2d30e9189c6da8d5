import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from pytest_robustness.analysis.statistics import compare
from pytest_robustness.analysis.statistics.equivalence import equivalence
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.errors import OptionError

TESTS = ["independent", "welch", "paired"]


def accuracies(seed, classes=10, drop=1.0):
    rng = np.random.default_rng(seed)
    control = rng.normal(80, 5, classes)
    return control, control - drop + rng.normal(0, 2, classes)


def result_of(control, treated, test="independent"):
    return compare([control], [treated], test=test)[0]


def tost(control, treated, margin, test):
    if test == "paired":
        return ttost_paired(treated, control, -margin, margin)[0]
    usevar = {"independent": "pooled", "welch": "unequal"}[test]
    return ttost_ind(treated, control, -margin, margin, usevar=usevar)[0]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from(TESTS), st.floats(0.1, 20), st.integers(2, 40))
def test_p_is_that_of_two_one_sided_tests(seed, test, margin, classes):
    control, treated = accuracies(seed, classes)
    found = equivalence(result_of(control, treated, test), margin)
    assert found.p_value == pytest.approx(tost(control, treated, margin, test), rel=1e-8, abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(TESTS), st.floats(0.1, 20), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_interval_lies_within_the_margin_exactly_where_equivalence_is_shown(seed, test, margin, alpha):
    found = equivalence(result_of(*accuracies(seed), test), margin, alpha=alpha)
    inside = -margin < found.ci_low and found.ci_high < margin
    outside = found.ci_low > margin or found.ci_high < -margin
    expected = Outcome.PASS if inside else Outcome.FAIL if outside else Outcome.INCONCLUSIVE
    assert found.verdict.outcome is expected
    assert (found.p_value < alpha) == inside


def test_at_the_usual_level_the_interval_is_that_of_90_percent():
    control, treated = accuracies(1)
    found = equivalence(result_of(control, treated, "paired"), 2.0)
    difference = treated - control
    half = 1.8331129 * difference.std(ddof=1) / math.sqrt(10)  # t(0.95, 9)
    assert (found.ci_low, found.ci_high) == pytest.approx((difference.mean() - half, difference.mean() + half))
    assert found.difference == pytest.approx(difference.mean())


@pytest.mark.parametrize(
    ("treated", "margin", "outcome", "reason"),
    [
        (
            [79.0, 80.0, 81.0],
            5.0,
            "PASS",
            "shown to be within 5 points: +0.00 points (90 % interval -1.69 to +1.69), p = 0.0065",
        ),
        (
            [79.0, 80.0, 81.0],
            1.0,
            "INCONCLUSIVE",
            "neither within 1 points nor beyond is shown: +0.00 points (90 % interval -1.69 to +1.69)",
        ),
        (
            [69.0, 70.0, 71.0],
            5.0,
            "FAIL",
            "shown to differ by more than 5 points: -10.00 points (90 % interval -11.69 to -8.31)",
        ),
        (
            [89.0, 90.0, 91.0],
            5.0,
            "FAIL",
            "shown to differ by more than 5 points: +10.00 points (90 % interval +8.31 to +11.69)",
        ),
    ],
)
def test_the_reason_tells_the_figures(treated, margin, outcome, reason):
    found = equivalence(result_of([80.0, 80.0, 80.0], treated, "paired"), margin)
    assert found.verdict == (Outcome(outcome), reason)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(
    ("drop", "p", "outcome"), [(0.0, 0, "PASS"), (1.9, 0, "PASS"), (2.0, 0, "PASS"), (2.1, 1, "FAIL")]
)
def test_without_spread_the_answer_is_certain(test, drop, p, outcome):
    found = equivalence(result_of([80.0] * 4, [80.0 - drop] * 4, test), 2.0)
    assert (found.p_value, found.verdict.outcome) == (p, Outcome(outcome))
    assert found.ci_low == found.ci_high == found.difference


@pytest.mark.parametrize("test", TESTS)
def test_fewer_than_two_observations_are_inconclusive(test):
    found = equivalence(result_of([80.0], [80.0], test), 2.0)
    assert found.verdict == (
        Outcome.INCONCLUSIVE,
        "only 1 of the 2 observations that a test needs in each group",
    )
    assert all(math.isnan(value) for value in (found.p_value, found.ci_low, found.ci_high))


@pytest.mark.parametrize("truth", [2.0, -2.0])
@pytest.mark.parametrize("test", TESTS)
def test_on_the_margin_each_claim_is_made_once_in_twenty_at_most(test, truth):
    rng = np.random.default_rng(13)
    control = rng.normal(80, 1, (2000, 20))
    treated = rng.normal(80 + truth, 1, (2000, 20))
    outcomes = [equivalence(result, 2.0).verdict.outcome for result in compare(control, treated, test=test)]
    noise = 4 * math.sqrt(0.05 * 0.95 / 2000)
    for claimed in (Outcome.PASS, Outcome.FAIL):
        assert np.mean([outcome is claimed for outcome in outcomes]) == pytest.approx(0.05, abs=noise)


@pytest.mark.parametrize("margin", [0.0, -1.0, 101.0, math.nan])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(OptionError) as caught:
        equivalence(result_of(*accuracies(0)), margin)
    assert str(caught.value) == f"equivalence is {margin:g}. Valid: points of accuracy above 0, up to 100, such as 2."
