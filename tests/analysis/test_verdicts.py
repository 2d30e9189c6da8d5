import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.analysis.findings import ClassFinding, ClassTest
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.test_result import (
    ClassImages,
    Estimate,
    ImageChange,
    McNemarResult,
    Outcome,
    TTestResult,
)
from pytest_robustness.analysis.verdicts import (
    allowed_sensitive,
    class_outcomes,
    classes_beyond,
    judge_classes,
    judge_model,
    sensitive_classes,
)
from pytest_robustness.core import Condition
from pytest_robustness.core.errors import OptionError

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

# What 890 images show: no change to speak of.
SMALL = ImageChange(
    n=890, lost=12, gained=8, difference=-0.4, low=-1.3, high=0.5, alpha=0.05, p_value=0.5, needed=400.0
)


def result(p=0.43, **fields):
    return dataclasses.replace(PLAIN, **{"p_value": p, "p_adjusted": p} | fields)


def change(difference, low, high, **fields):
    return dataclasses.replace(SMALL, difference=difference, low=low, high=high, **fields)


def article(found):
    return judge_model(found, SMALL, TestPolicy(verdict="article"))


SHOWN = "{p} >= alpha 0.05: no change shown ({remark} 80 % of the time)"


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
        (result(1.0, detectable_drop=math.nan), "PASS", "p = 1 >= alpha 0.05: no change shown"),
        (result(0.05, detectable_drop=math.nan), "PASS", "p = 0.05 >= alpha 0.05: no change shown"),
        (result(math.nan, n=1), "INCONCLUSIVE", "only 1 of the 2 observations that a test needs in each group"),
        (result(math.nan, n=0), "INCONCLUSIVE", "only 0 of the 2 observations that a test needs in each group"),
    ],
)
def test_the_article_judges_a_model_by_its_t_test_alone(found, outcome, reason):
    for images in (SMALL, change(-30.0, -34.0, -26.0), change(0.0, -100.0, 100.0, n=0)):
        assert judge_model(found, images, TestPolicy(verdict="article")) == (Outcome(outcome), reason)


REJECTS = result(0.001, difference=-5.0)
WITHIN, BEYOND, OPEN = SMALL, change(-4.0, -5.5, -2.5), change(-1.5, -2.6, -0.4)


@pytest.mark.parametrize(
    ("images", "found", "strict", "margin"),
    [
        (WITHIN, result(), "PASS", "PASS"),
        (WITHIN, REJECTS, "FAIL", "PASS"),
        (WITHIN, result(math.nan, n=1), "PASS", "PASS"),
        (BEYOND, result(), "FAIL", "FAIL"),
        (BEYOND, REJECTS, "FAIL", "FAIL"),
        (change(4.0, 2.5, 5.5), result(), "FAIL", "FAIL"),
        (OPEN, result(), "INCONCLUSIVE", "INCONCLUSIVE"),
        (OPEN, REJECTS, "FAIL", "INCONCLUSIVE"),
        (change(0.0, -2.0, 2.0), result(), "INCONCLUSIVE", "INCONCLUSIVE"),
        (change(-3.0, -4.0, -2.0), result(), "INCONCLUSIVE", "INCONCLUSIVE"),
        (change(0.0, -30.0, 30.0, n=10), result(1.0), "INCONCLUSIVE", "INCONCLUSIVE"),
        (change(0.0, -100.0, 100.0, n=0, needed=math.nan), result(math.nan, n=0), "INCONCLUSIVE", "INCONCLUSIVE"),
    ],
)
def test_the_images_decide_beside_the_t_test_or_alone(images, found, strict, margin):
    for rule, outcome in (("strict", strict), ("margin", margin)):
        assert judge_model(found, images, TestPolicy(verdict=rule)).outcome is Outcome(outcome)


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (WITHIN, "within 2 points: -0.4 points, 90 % interval -1.3 to +0.5 over 890 images"),
        (
            BEYOND,
            "accuracy fell 4.0 points, shown to be more than 2 points: 90 % interval -5.5 to -2.5 over the images",
        ),
        (
            change(-1.5, -2.6, -0.4, needed=4321.0),
            (
                "neither within 2 points nor beyond is shown: -1.5 points, 90 % interval -2.6 to -0.4 over 890 images; "
                "about 4,400 images would decide at this share of changed images"
            ),
        ),
        (
            change(-2.0, -3.0, -1.0, needed=math.inf),
            (
                "neither within 2 points nor beyond is shown: -2.0 points, 90 % interval -3.0 to -1.0 over 890 images; "
                "the change lies so near the margin that no practical number of images would decide"
            ),
        ),
        (
            change(0.0, -100.0, 100.0, n=0, needed=math.nan),
            (
                "neither within 2 points nor beyond is shown: +0.0 points, 90 % interval -100.0 to +100.0 over 0 "
                "images; there is no image to judge by"
            ),
        ),
    ],
)
def test_a_verdict_says_what_the_images_show(images, reason):
    assert judge_model(result(), images, TestPolicy()).reason == reason


@pytest.mark.parametrize(
    ("images", "found", "start"),
    [
        (WITHIN, result(), "within 2 points: -0.4 points as the mean over classes, 90 % interval -1.3 to +0.5"),
        (OPEN, result(), "neither within 2 points nor beyond is shown: -1.5 points as the mean over classes, 90 %"),
        (BEYOND, result(), "accuracy fell 4.0 points as the mean over classes, shown to be more than 2 points"),
        (WITHIN, REJECTS, "accuracy fell 5.0 points as the mean over classes, p = 0.001"),
    ],
)
def test_a_mean_over_classes_that_differ_in_size_is_called_one(images, found, start):
    uneven = dataclasses.replace(images, over_classes=True)
    assert judge_model(found, uneven, TestPolicy()).reason.startswith(start)
    assert "mean" not in judge_model(found, images, TestPolicy()).reason


def test_the_figure_of_mcnemars_test_is_over_images():
    of_images = McNemarResult(890, 80.0, 75.0, -5.0, -6.0, -4.0, -0.3, 1e-6, 1e-6, 1.0, 60, 10)
    uneven = dataclasses.replace(WITHIN, over_classes=True)
    assert judge_model(of_images, uneven, TestPolicy()).reason == "accuracy fell 5.0 points, p = 1e-06 < alpha 0.05"


@settings(deadline=None)
@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(-20, 20), st.floats(0, 20))
def test_a_wider_margin_never_undoes_a_pass_nor_a_narrower_one_a_failure(margin, more, middle, half):
    images = change(middle, middle - half, middle + half)
    order = [Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS]
    narrow, wide = (
        order.index(judge_model(result(), images, TestPolicy(margin=points)).outcome)
        for points in (margin, margin + more)
    )
    assert narrow <= wide


@settings(deadline=None)
@given(st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_p_that_is_shown_lies_on_its_side_of_alpha(p, alpha):
    reason = judge_model(result(p), SMALL, TestPolicy(alpha=alpha, verdict="article")).reason
    shown = float(reason.split("p = ")[1].split()[0])
    assert (shown < alpha) == (p < alpha)
    assert shown == pytest.approx(p, rel=0.05)


def images(n=100, difference=-1.0, p=0.5, blind=False, right=None):
    pooled = Estimate(difference, difference - 3, difference + 3)
    return ClassImages(n, difference, p, p, blind, pooled, n if right is None else right)


def classes(sensitive=0, insensitive=0, inconclusive=0, *, shown=()):
    """Class findings by what their t-tests say; ``shown`` are what the images of the first ones show."""
    results = [result(0.01)] * sensitive + [result(0.5)] * insensitive + [result(math.nan, n=1)] * inconclusive
    of_images = [*shown, *[images()] * (len(results) - len(shown))]
    return [ClassFinding(i, f"c{i}", *both) for i, both in enumerate(zip(results, of_images, strict=True))]


def judged(found, untested=0, **policy):
    policy = TestPolicy(**policy)
    return judge_classes(found, sensitive_classes(found, policy), classes_beyond(found, policy), untested, policy)


@pytest.mark.parametrize(
    ("found", "max_sensitive", "outcome", "reason"),
    [
        (classes(2, 8), "chance", "PASS", "2 of 10 classes sensitive at alpha 0.05, within the 2 allowed"),
        (
            classes(9, 1),
            "chance",
            "FAIL",
            "9 of 10 classes sensitive at alpha 0.05, more than the 2 allowed",
        ),
        (classes(3, 7), 3, "PASS", "3 of 10 classes sensitive at alpha 0.05, within the 3 allowed"),
        (classes(3, 7), 0.2, "FAIL", "3 of 10 classes sensitive at alpha 0.05, more than the 2 allowed"),
        (classes(1, 9), 0, "FAIL", "1 of 10 classes sensitive at alpha 0.05, more than the 0 allowed"),
        (
            classes(2, 1, 7),
            0.5,
            "FAIL",
            "2 of 3 classes sensitive at alpha 0.05, more than the 1 allowed; 7 could not be tested over the models",
        ),
        (
            classes(0, 0, 10),
            10,
            "INCONCLUSIVE",
            "no class could be tested: only 1 of the 2 observations that a test needs in each group",
        ),
        ([], "chance", "INCONCLUSIVE", "no class could be tested: no class has an image"),
        # What the images show of a class changes nothing.
        (
            classes(0, 10, shown=[images(difference=-60.0, p=1e-9)]),
            "chance",
            "PASS",
            "0 of 10 classes sensitive at alpha 0.05, within the 2 allowed",
        ),
    ],
)
def test_the_article_judges_classes_by_how_many_are_sensitive(found, max_sensitive, outcome, reason):
    assert judged(found, max_sensitive=max_sensitive, verdict="article") == (Outcome(outcome), reason)


LOST, HALF, NOISE = images(difference=-60.0, p=1e-9), images(difference=-9.9, p=1e-9), images(difference=-40.0, p=0.06)
BLIND = images(n=5, p=1.0, blind=True)


@pytest.mark.parametrize(
    ("found", "untested", "strict", "margin"),
    [
        (classes(0, 10), 0, "PASS", "PASS"),
        (classes(2, 8), 0, "PASS", "PASS"),
        (classes(3, 7), 0, "FAIL", "PASS"),
        (classes(0, 10, shown=[LOST]), 0, "FAIL", "FAIL"),
        (classes(0, 10, shown=[images(difference=60.0, p=1e-9)]), 0, "FAIL", "FAIL"),
        # Shown, but no larger than the margin; larger, but not shown.
        (classes(0, 10, shown=[HALF]), 0, "PASS", "PASS"),
        (classes(0, 10, shown=[images(difference=-10.0, p=1e-9)]), 0, "PASS", "PASS"),
        (classes(0, 10, shown=[NOISE]), 0, "PASS", "PASS"),
        (classes(0, 10, shown=[BLIND]), 0, "INCONCLUSIVE", "INCONCLUSIVE"),
        (classes(0, 20, shown=[BLIND]), 0, "PASS", "PASS"),
        (classes(0, 20, shown=[BLIND] * 2), 0, "INCONCLUSIVE", "INCONCLUSIVE"),
        (classes(0, 19), 1, "PASS", "PASS"),
        (classes(0, 18), 1, "INCONCLUSIVE", "INCONCLUSIVE"),
        (classes(0, 20, shown=[LOST, *[BLIND] * 19]), 0, "FAIL", "FAIL"),
        (classes(3, 7, shown=[BLIND] * 10), 0, "FAIL", "INCONCLUSIVE"),
        (classes(0, 0, 10), 0, "PASS", "PASS"),
        (classes(0, 0, 10, shown=[LOST]), 0, "FAIL", "FAIL"),
        ([], 10, "INCONCLUSIVE", "INCONCLUSIVE"),
        ([], 0, "INCONCLUSIVE", "INCONCLUSIVE"),
    ],
)
def test_the_images_of_a_class_decide_beside_the_count_or_alone(found, untested, strict, margin):
    for rule, outcome in (("strict", strict), ("margin", margin)):
        assert judged(found, untested, verdict=rule).outcome is Outcome(outcome)


def test_a_class_beyond_the_margin_is_named_the_worst_first():
    shown = [images(difference=d, p=1e-9) for d in (-11.0, -62.5, 12.0, -30.0, -20.0, -15.0)]
    reason = judged(classes(0, 10, shown=shown)).reason
    assert reason == (
        "6 classes changed significantly and by more than 10 measured points: c1 -62.5, c3 -30.0, c4 -20.0, c5 -15.0, "
        "c2 +12.0 and 1 more; 0 of 10 classes sensitive at alpha 0.05, within the 2 allowed"
    )
    assert judged(classes(0, 10, shown=[LOST]), verdict="margin").reason == (
        "1 class changed significantly and by more than 10 measured points: c0 -60.0"
    )


def test_a_pass_of_the_classes_says_what_would_have_been_seen():
    assert judged(classes(0, 10), verdict="margin").reason == (
        "no class shown to change by more than 10 points (the loss of 11 of the 100 images right in control, of the "
        "class with the fewest, by all models would have been)"
    )
    few = classes(0, 20, shown=[images(n=20, right=17), images(n=5, p=1.0, blind=True)])
    assert judged(few, verdict="margin").reason == (
        "no class shown to change by more than 10 points (the loss of 10 of the 17 images right in control, of the "
        "class with the fewest, by all models would have been); 1 class with fewer than 10 images right in control not "
        "judged"
    )
    assert judged(classes(0, 10, shown=[BLIND] * 4), 2, verdict="margin").reason == (
        "6 of 12 classes have fewer than 9 images right in control: not even the loss of all by all models would be "
        "significant"
    )


def test_the_loss_that_a_pass_would_have_seen_is_one_of_a_class_that_can_fall_so_far():
    # Of 1,000 images 50 are right: it cannot fall by more than ten points, however few remain.
    barely = images(n=1000, right=50)
    assert (
        "the loss of 11 of the 90 images right"
        in judged(classes(0, 10, shown=[barely, *[images(right=90)] * 9]), verdict="margin").reason
    )
    assert judged(classes(0, 2, shown=[barely] * 2), verdict="margin").reason == (
        "no class shown to change by more than 10 points (none has right answers enough to lose)"
    )


# What the t-test over the models says of a class, what its images show, and its outcome by each rule.
OUTCOMES = [
    (0.01, images(), "FAIL", "PASS", "FAIL"),
    (0.5, images(), "PASS", "PASS", "PASS"),
    (math.nan, images(), "PASS", "PASS", "INCONCLUSIVE"),
    (0.5, LOST, "FAIL", "FAIL", "PASS"),
    (0.01, LOST, "FAIL", "FAIL", "FAIL"),
    (0.01, HALF, "FAIL", "PASS", "FAIL"),
    (0.5, NOISE, "PASS", "PASS", "PASS"),
    (0.5, BLIND, "INCONCLUSIVE", "INCONCLUSIVE", "PASS"),
    (0.01, BLIND, "FAIL", "INCONCLUSIVE", "FAIL"),
    (math.nan, BLIND, "INCONCLUSIVE", "INCONCLUSIVE", "INCONCLUSIVE"),
]


@pytest.mark.parametrize("left_out", [(), ("c",)])
@pytest.mark.parametrize(("rule", "column"), [("strict", 2), ("margin", 3), ("article", 4)])
def test_a_class_has_the_outcome_that_the_rule_of_the_verdict_gives_it(rule, column, left_out):
    policy = TestPolicy(verdict=rule)
    found = [ClassFinding(i, f"c{i}", result(p), shown) for i, (p, shown, *_) in enumerate(OUTCOMES)]
    sensitive, beyond = sensitive_classes(found, policy), classes_beyond(found, policy)
    verdict = judge_classes(found, sensitive, beyond, 0, policy)
    test = ClassTest(
        Condition("vflip"), ("a", "b"), tuple(found), sensitive, beyond, 0, (), left_out, policy.alpha, verdict
    )
    # A test that lost a model passes nothing.
    passed = "INCONCLUSIVE" if left_out else "PASS"
    assert class_outcomes(test, policy) == [row[column].replace("PASS", passed) for row in OUTCOMES]


@pytest.mark.parametrize("rule", ["strict", "margin", "article"])
def test_no_class_contradicts_the_verdict_on_all(rule):
    for p, shown, *_ in OUTCOMES:
        policy = TestPolicy(verdict=rule, max_sensitive=0)
        found = [ClassFinding(0, "c", result(p), shown)]
        sensitive, beyond = sensitive_classes(found, policy), classes_beyond(found, policy)
        verdict = judge_classes(found, sensitive, beyond, 0, policy)
        test = ClassTest(Condition("vflip"), ("a",), tuple(found), sensitive, beyond, 0, (), (), policy.alpha, verdict)
        assert class_outcomes(test, policy) == [verdict.outcome]


def test_classes_are_sensitive_after_correction_only():
    corrected = [ClassFinding(i, "c", result(0.01, p_adjusted=0.1), images()) for i in range(10)]
    assert judged(corrected, max_sensitive=0).outcome is Outcome.PASS


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
    assert article(few[0]) == (Outcome.INCONCLUSIVE, "of 1 image no change could be significant at alpha 0.05")
    assert judged([ClassFinding(i, "c", found) for i, found in enumerate(few)], verdict="article") == (
        Outcome.INCONCLUSIVE,
        "no class could be tested: of 5 images no change could be significant at alpha 0.05",
    )
