import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.analysis.test_result import McNemarResult, Outcome, TTestResult
from pytest_robustness.analysis.verdicts import allowed_sensitive, judge_classes, judge_model
from pytest_robustness.errors import OptionError

PLAIN = TTestResult(
    test="independent",
    n=12,
    control=80.0,
    treated=79.0,
    difference=-1.0,
    ci_low=-4.0,
    ci_high=2.0,
    effect_size=-0.3,
    statistic=-0.7,
    df=22.0,
    p_value=0.43,
    p_adjusted=0.43,
    detectable_drop=4.1,
)

SHOWN = "{p} >= alpha 0.05: no change shown ({remark} 80 % of the time)"


def result(p=0.43, **fields):
    return dataclasses.replace(PLAIN, **{"p_value": p, "p_adjusted": p} | fields)


def results(sensitive, insensitive, inconclusive=0):
    return [result(0.01)] * sensitive + [result(0.5)] * insensitive + [result(math.nan, n=1)] * inconclusive


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (result(3.1e-7, difference=-55.66), "FAIL", "accuracy fell 55.7 points, p = 3.1e-07 < alpha 0.05"),
        (result(0.02, difference=3.0), "FAIL", "accuracy rose 3.0 points, p = 0.02 < alpha 0.05"),
        (result(0.0, difference=-0.0123), "FAIL", "accuracy fell 0.01 points, p = 0 < alpha 0.05"),
        (result(0.04, p_adjusted=0.0496), "FAIL", "accuracy fell 1.0 points, corrected p = 0.0496 < alpha 0.05"),
        (
            result(),
            "PASS",
            "p = 0.43 >= alpha 0.05: no change shown (a drop of 4.1 points would have been seen 80 % of the time)",
        ),
        (
            result(0.01, p_adjusted=0.12),
            "PASS",
            SHOWN.format(p="corrected p = 0.12", remark="a drop of 4.1 points would have been seen"),
        ),
        (
            result(0.3, detectable_drop=80.1),
            "PASS",
            SHOWN.format(
                p="p = 0.3", remark="the observations are too few or too scattered to see even a fall to zero"
            ),
        ),
        (result(1.0, detectable_drop=0.0), "PASS", "p = 1 >= alpha 0.05: no change shown"),
        (result(1.0, detectable_drop=math.nan), "PASS", "p = 1 >= alpha 0.05: no change shown"),
        (result(0.05, detectable_drop=0.0), "PASS", "p = 0.05 >= alpha 0.05: no change shown"),
        (result(math.nan, n=1), "INCONCLUSIVE", "only 1 of the 2 observations that a test needs in each group"),
        (result(math.nan, n=0), "INCONCLUSIVE", "only 0 of the 2 observations that a test needs in each group"),
    ],
)
def test_a_model_is_judged_with_its_figures(found, outcome, reason):
    assert judge_model(found, 0.05) == (Outcome(outcome), reason)


@settings(deadline=None)
@given(st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_p_that_is_shown_lies_on_its_side_of_alpha(p, alpha):
    reason = judge_model(result(p), alpha).reason
    shown = float(reason.split("p = ")[1].split()[0])
    assert (shown < alpha) == (p < alpha)
    assert shown == pytest.approx(p, rel=0.05)


@pytest.mark.parametrize(
    ("found", "max_sensitive", "outcome", "reason"),
    [
        (results(2, 8), "chance", "PASS", "2 of 10 classes sensitive at alpha 0.05, within the 2 that chance explains"),
        (
            results(9, 1),
            "chance",
            "FAIL",
            "9 of 10 classes sensitive at alpha 0.05, more than the 2 that chance explains",
        ),
        (results(3, 7), 3, "PASS", "3 of 10 classes sensitive at alpha 0.05, within the 3 allowed"),
        (results(3, 7), 0.2, "FAIL", "3 of 10 classes sensitive at alpha 0.05, more than the 2 allowed"),
        (results(1, 9), 0, "FAIL", "1 of 10 classes sensitive at alpha 0.05, more than the 0 allowed"),
        (
            results(2, 1, inconclusive=7),
            0.5,
            "FAIL",
            "2 of 3 classes sensitive at alpha 0.05, more than the 1 allowed; 7 could not be tested",
        ),
        (
            results(0, 0, inconclusive=10),
            10,
            "INCONCLUSIVE",
            "no class could be tested: only 1 of the 2 observations that a test needs in each group",
        ),
        ([], "chance", "INCONCLUSIVE", "no class could be tested: no class has an image"),
    ],
)
def test_classes_are_judged_by_how_many_are_sensitive(found, max_sensitive, outcome, reason):
    assert judge_classes(found, 0.05, max_sensitive) == (Outcome(outcome), reason)


def test_classes_are_sensitive_after_correction_only():
    corrected = [result(0.01, p_adjusted=0.1)] * 10
    assert judge_classes(corrected, 0.05, 0).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("n_tested", "alpha", "max_sensitive", "allowed"),
    [
        (10, 0.05, "chance", 2),
        (1000, 0.05, "chance", 62),
        (1000, 0.01, "chance", 15),
        (1, 0.05, "chance", 0),
        (100, 0.05, 0.29, 29),
        (100, 0.05, 0.57, 57),
        (1000, 0.05, 0.0015, 1),
        (10, 0.05, 1.0, 10),
        (10, 0.05, 0.0, 0),
        (10, 0.05, 1, 1),
        (10, 0.05, 99, 99),
    ],
)
def test_the_allowed_number_of_sensitive_classes(n_tested, alpha, max_sensitive, allowed):
    assert allowed_sensitive(n_tested, alpha, max_sensitive) == allowed


@pytest.mark.parametrize("max_sensitive", [-1, -0.1, 1.5, math.nan, "some"])
def test_an_allowance_that_is_none_is_refused(max_sensitive):
    with pytest.raises(OptionError) as caught:
        allowed_sensitive(10, 0.05, max_sensitive)
    assert str(caught.value) == (
        f"max-sensitive is {max_sensitive!r}. "
        "Valid: 'chance', a count of classes such as 5, or a fraction of them such as 0.1."
    )


@pytest.mark.parametrize("classes", [10, 100, 1000])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_chance_alone_fails_one_run_in_twenty_at_most(classes, alpha):
    rng = np.random.default_rng(11)
    sensitive = np.array([(rng.random(classes) < alpha).sum() for _ in range(5000)])
    allowed = allowed_sensitive(classes, alpha, "chance")
    noise = 4 * math.sqrt(0.05 * 0.95 / 5000)
    assert np.mean(sensitive > allowed) <= 0.05 + noise
    assert np.mean(sensitive > allowed - 1) > 0.05 - noise


@pytest.mark.parametrize("correction", ["bh", "holm"])
def test_a_correction_leaves_nothing_to_chance(correction):
    assert allowed_sensitive(1000, 0.05, "chance", correction) == 0
    assert allowed_sensitive(1000, 0.05, 7, correction) == 7


def test_mcnemar_with_too_few_images_says_so():
    nan = math.nan
    few = [McNemarResult(n, 80.0, 80.0, 0.0, nan, nan, nan, nan, nan, nan, 0, 0) for n in (1, 5, 3)]
    assert judge_model(few[0], 0.05) == (
        Outcome.INCONCLUSIVE,
        "of 1 image no change could be significant at alpha 0.05",
    )
    assert judge_classes(few, 0.05, "chance") == (
        Outcome.INCONCLUSIVE,
        "no class could be tested: of 5 images no change could be significant at alpha 0.05",
    )
