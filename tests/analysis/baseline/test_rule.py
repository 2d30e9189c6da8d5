import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from pytest_robustness.analysis.baseline.candidate import compare_models
from pytest_robustness.analysis.baseline.rule import (
    ConditionComparison,
    GatePolicy,
    beyond_control,
    evidence,
    judge,
    judge_all,
)
from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.statistics import mcnemar
from pytest_robustness.analysis.statistics.paired_change import PairedChange, p_above, p_below
from pytest_robustness.analysis.test_result import McNemarResult, Outcome, Verdict
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.core.errors import OptionError

POLICY = GatePolicy()
VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)

PLAIN = McNemarResult(
    n=10_000,
    control=80.0,
    treated=79.6,
    effect_size=-0.02,
    difference=-0.4,
    ci_low=-1.1,
    ci_high=0.3,
    lost=640,
    gained=600,
    p_value=0.26,
    p_adjusted=0.26,
    detectable_drop=0.99,
)


def change(**fields):
    return dataclasses.replace(PLAIN, **fields)


def answers(kept, lost, gained, wrong):
    """Images by what happened to them: bool [N] baseline and candidate."""
    baseline = np.repeat([True, True, False, False], [kept, lost, gained, wrong])
    return baseline, np.repeat([True, False, True, False], [kept, lost, gained, wrong])


def random_answers(seed, images=3000, conditions=(CONTROL, VFLIP, ZOOM), drop=0.1):
    """Two models that share what is easy; the candidate is worse under the last condition."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(1, 1, images)
    models = [{c: ease + rng.normal(0, 0.4, images) > 0 for c in conditions} for _ in range(2)]
    models[1][conditions[-1]] &= rng.random(images) > drop
    return *models, rng.integers(0, 4, images)


def compare(baseline, candidate, labels, policy=POLICY, **options):
    return compare_models(
        baseline, candidate, labels=labels, classes=["cat", "cow", "dog", "emu"], policy=policy, **options
    )


def said(*count, policy=POLICY):
    """What the images of one condition alone say."""
    (found,) = evidence([mcnemar(*answers(*count), alpha=policy.alpha)], policy)
    return found


def class_finding(name, difference, p):
    return ClassFinding(0, name, change(difference=difference, p_value=p, p_adjusted=p))


@pytest.mark.parametrize(
    ("count", "outcome", "reason"),
    [
        (
            (8500, 400, 80, 1020),
            "FAIL",
            ("accuracy fell 3.2 points, more than the tolerance of 1; corrected p = 2.1e-24; "
            "90 % interval -3.57 to -2.84"),
        ),
        (
            (8000, 600, 600, 800),
            "PASS",
            "a drop of more than 1 point is excluded: +0.00 (90 % interval -0.58 to +0.58)",
        ),
        (
            (8000, 200, 500, 1300),
            "PASS",
            "a drop of more than 1 point is excluded: +3.00 (90 % interval +2.57 to +3.44)",
        ),
        (
            (800, 30, 25, 145),
            "INCONCLUSIVE",
            ("1,000 images are too few to decide on a drop of 1 point: -0.50 (90 % interval -1.81 to +0.79); compare "
            "on about 6,300 images, or tolerate 1.9"),
        ),
        (
            (60, 0, 0, 0),
            "INCONCLUSIVE",
            ("60 images are too few to decide on a drop of 1 point: +0.00 (90 % interval -5.79 to +5.79); compare on "
            "about 370 images, or tolerate 5.8"),
        ),
        (
            (1, 0, 0, 0),
            "INCONCLUSIVE",
            ("1 image is too few to decide on a drop of 1 point: +0.00 (90 % interval -92.72 to +92.72); compare on "
            "about 370 images, or tolerate 92.8"),
        ),
        ((0, 0, 0, 0), "INCONCLUSIVE", "no image could be compared"),
    ],
)  # fmt: skip
def test_a_change_is_judged_with_its_figures(count, outcome, reason):
    assert judge(said(*count), (), POLICY) == (Outcome(outcome), reason)


def test_a_drop_at_the_tolerance_is_never_decided():
    verdict = judge(said(80_000, 6000, 5000, 9000), (), POLICY)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.endswith("the drop is at the tolerance: tolerate 1.2")


def test_a_broken_class_fails_what_would_pass():
    broken = [class_finding("cat", -40.0, 1e-9), class_finding("dog", -12.0, 0.001)]
    found = said(8000, 600, 600, 800)
    assert judge(found, (), POLICY).outcome is Outcome.PASS
    assert judge(found, broken, POLICY) == (
        Outcome.FAIL,
        (
            "2 classes fell significantly and by more than 10 measured points: cat -40.0, dog -12.0; "
            "over all classes +0.00 points"
        ),
    )
    assert judge(said(8500, 400, 80, 1020), broken[:1], POLICY).reason.endswith(
        "; 1 class fell significantly and by more than 10 measured points: cat -40.0"
    )
    many = [class_finding(f"c{i}", -20.0, 0.001) for i in range(8)]
    assert "c4 -20.0 and 3 more;" in judge(found, many, POLICY).reason


def interval_p(lost, gained, n, bound):
    """Both one-sided p-values of a change of ``bound``, by the statistics' own module."""
    paired = PairedChange(np.array([lost / n]), np.array([gained / n]), np.array([float(n)]))
    return p_below(paired, bound)[0], p_above(paired, bound)[0]


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh"), ("none", None)])
def test_the_tests_that_fail_are_corrected_over_the_conditions_and_those_that_pass_are_not(correction, method):
    counted = [(900, 40, 10, 50), (900, 25, 25, 50), (850, 70, 30, 50), (960, 20, 0, 20)]
    policy = GatePolicy(tolerance=1.5, correction=correction)
    found = evidence([mcnemar(*answers(*count)) for count in counted], policy)
    p = [interval_p(lost, gained, 1000, -0.015) for _, lost, gained, _ in counted]
    worse = [below for below, _ in p]
    expected = worse if method is None else multipletests(worse, method=method)[1]
    assert [one.p_worse for one in found] == pytest.approx(expected)
    assert [one.p_kept for one in found] == pytest.approx([above for _, above in p])


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(("lost", "gained", "n"), [(0, 0, 5000), (30, 30, 4000), (200, 40, 2000), (5, 60, 900)])
def test_the_interval_and_the_tests_agree(lost, gained, n, tolerance):
    policy = GatePolicy(tolerance=tolerance, correction="none")
    found = said(n - lost - gained, lost, gained, 0, policy=policy)
    assert (found.p_worse < 0.05) == (found.change.high < -tolerance)
    assert (found.p_kept < 0.05) == (found.change.low > -tolerance)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 101.0, math.nan])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(OptionError) as caught:
        GatePolicy(tolerance=tolerance)
    assert str(caught.value) == (
        f"tolerance is {tolerance:g}. Valid: points of accuracy above 0, up to 100, such as 2.0; "
        "no number of images could rule out every change."
    )


counts = st.tuples(*[st.integers(0, 400)] * 4)


@settings(deadline=None)
@given(counts)
def test_a_comparison_holds_what_was_counted(count):
    kept, lost, gained, wrong = count
    found = mcnemar(*answers(*count))
    assert (found.n, found.lost, found.gained) == (sum(count), lost, gained)
    if found.n:
        shares = (100 * (kept + lost) / found.n, 100 * (kept + gained) / found.n)
        assert (found.control, found.treated) == pytest.approx(shares)
        assert found.difference == pytest.approx(found.treated - found.control)
    if not math.isnan(found.p_value):
        assert found.p_value == pytest.approx(statsmodels_mcnemar([[kept, lost], [gained, wrong]]).pvalue)


@settings(deadline=None)
@given(counts, st.floats(0.1, 20))
def test_no_drop_beyond_the_tolerance_passes_and_none_within_it_fails(count, tolerance):
    policy = GatePolicy(tolerance=tolerance)
    found = said(*count, policy=policy)
    outcome = judge(found, (), policy).outcome
    if -found.change.difference >= tolerance:
        assert outcome is not Outcome.PASS
    else:
        assert outcome is not Outcome.FAIL


@settings(deadline=None)
@given(counts, st.integers(1, 50))
def test_losing_more_images_never_helps(count, more):
    kept, lost, gained, wrong = count
    order = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]
    before, after = (judge(said(kept + more - m, lost + m, gained, wrong), (), POLICY) for m in (0, more))
    assert order.index(after.outcome) >= order.index(before.outcome)


@pytest.mark.slow
@settings(deadline=None)
@given(counts)
def test_a_higher_tolerance_never_turns_a_pass_into_something_else(count):
    policies = [GatePolicy(tolerance=tolerance) for tolerance in (0.5, 1.0, 2.0, 5.0, 50.0)]
    outcomes = [judge(said(*count, policy=policy), (), policy).outcome for policy in policies]
    first = next((i for i, outcome in enumerate(outcomes) if outcome is Outcome.PASS), len(outcomes))
    assert set(outcomes[first:]) <= {Outcome.PASS}


def condition_change(condition, outcome, improved=False):
    verdict = Verdict(Outcome(outcome), "why")
    return ConditionComparison(condition, PLAIN, said(900, 5, 5, 90), None, verdict, improved, (), ())


@pytest.mark.parametrize(
    ("outcomes", "outcome", "reason"),
    [
        ("PASS PASS PASS", "PASS", "a drop of more than 1 point is excluded in 3 conditions"),
        ("PASS FAIL FAIL", "FAIL", "less robust than the baseline in 2 of 3 conditions: vflip, zoom-s3"),
        (
            "INCONCLUSIVE PASS FAIL",
            "FAIL",
            "less robust than the baseline in 1 of 3 conditions: zoom-s3; 1 inconclusive",
        ),
        ("PASS INCONCLUSIVE PASS", "INCONCLUSIVE", "too few images to tell in 1 of 3 conditions: vflip"),
    ],
)
def test_one_condition_decides_for_all(outcomes, outcome, reason):
    changes = [condition_change(c, o) for c, o in zip((CONTROL, VFLIP, ZOOM), outcomes.split(), strict=True)]
    assert judge_all(changes, POLICY) == (Outcome(outcome), reason)


def test_improvements_are_named():
    changes = [condition_change(CONTROL, "PASS"), condition_change(ZOOM, "PASS", improved=True)]
    assert judge_all(changes, POLICY).reason == (
        "a drop of more than 1 point is excluded in 2 conditions; better in zoom-s3"
    )


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=2, max_size=40))
def test_the_difference_in_differences_is_a_mean_with_the_interval_of_the_normal(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    found = beyond_control(*columns)
    per_image = [100.0 * ((int(d) - int(c)) - (int(b) - int(a))) for a, b, c, d in rows]
    mean = float(np.mean(per_image))
    described = DescrStatsW([*per_image, mean - 100, mean + 100])
    assert found.value == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx(described.zconfint_mean())


def test_a_model_that_is_weaker_everywhere_bends_no_more():
    control, weaker = answers(kept=600, lost=100, gained=0, wrong=300)
    found = beyond_control(control, weaker, control, weaker)
    assert found.value == 0
    assert found.low == -found.high < 0
    assert beyond_control(control, control, control, weaker).value == -10


def test_the_interval_beyond_control_covers_the_truth_19_times_of_20():
    rng = np.random.default_rng(12)
    covered = []
    for _ in range(2000):
        ease = rng.random(400)
        right = [ease + rng.normal(0, 0.1, 400) < share for share in (0.8, 0.8, 0.6)]
        extra = right[2] & (rng.random(400) > 0.1)
        found = beyond_control(right[0], right[1], right[2], extra)
        covered.append(found.low <= -6 <= found.high)
    # Noise takes a little off the 60 % that a tenth is lost of.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("images", [0, 1])
def test_without_two_images_there_is_no_interval_beyond_control(images):
    right = np.ones(images, bool)
    found = beyond_control(right, right, right, ~right)
    assert found.value == pytest.approx(-100 if images else math.nan, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_conditions_are_tested_together(correction, method):
    baseline, candidate, labels = random_answers(1)
    result = compare(baseline, candidate, labels, GatePolicy(correction=correction))
    assert [found.condition for found in result.conditions] == [CONTROL, VFLIP, ZOOM]
    tables = [
        [[np.sum(b & c), np.sum(b & ~c)], [np.sum(~b & c), np.sum(~b & ~c)]]
        for b, c in ((baseline[k], candidate[k]) for k in baseline)
    ]
    p = [statsmodels_mcnemar(table, exact=True).pvalue for table in tables]
    assert [found.result.p_value for found in result.conditions] == pytest.approx(p)
    assert [found.result.p_adjusted for found in result.conditions] == pytest.approx(multipletests(p, method=method)[1])


def test_without_correction_each_condition_stands_alone():
    result = compare(*random_answers(1), GatePolicy(correction="none"))
    assert all(found.result.p_adjusted == found.result.p_value for found in result.conditions)


def test_the_condition_with_the_drop_is_named_with_its_classes():
    result = compare(*random_answers(2))
    outcomes = {found.condition: found.verdict.outcome for found in result.conditions}
    assert outcomes[ZOOM] is Outcome.FAIL
    assert Outcome.FAIL not in (outcomes[CONTROL], outcomes[VFLIP])
    assert result.verdict.outcome is Outcome.FAIL
    assert "zoom-s3" in result.verdict.reason
    fallen = result.conditions[2].fallen
    assert {fall.name for fall in fallen} == {"cat", "cow", "dog", "emu"}
    assert [fall.result.difference for fall in fallen] == sorted(fall.result.difference for fall in fallen)
    assert not result.conditions[0].fallen
    assert not result.conditions[1].fallen


def test_classes_are_corrected_over_all_classes_of_all_conditions():
    baseline, candidate, labels = random_answers(3, drop=0.03)
    candidate[ZOOM] &= (labels != 1) | (np.arange(3000) % 5 > 0)
    policy = GatePolicy(tolerance=0.01, alpha=0.2)
    found = compare(baseline, candidate, labels, policy)
    p, drops = [], []
    for condition in baseline:
        for label in range(4):
            b, c = baseline[condition][labels == label], candidate[condition][labels == label]
            p.append(stats.binomtest(int(np.sum(b & ~c)), max(1, int(np.sum(b != c)))).pvalue)
            drops.append(100 * (b.mean() - c.mean()))
    adjusted = multipletests(p, method="holm")[1]
    listed = [(i // 4, i % 4) for i in range(12) if adjusted[i] < 0.2 and drops[i] > 0.01]
    assert sorted((i, fall.index) for i, cc in enumerate(found.conditions) for fall in cc.fallen) == listed
    for i, condition in enumerate(found.conditions):
        for fall in condition.fallen:
            assert fall.result.p_adjusted == pytest.approx(adjusted[4 * i + fall.index])


def test_a_class_can_fall_where_the_whole_does_not():
    baseline = np.ones(20_000, bool)
    labels = np.arange(20_000) % 4
    candidate = baseline & ((labels != 2) | (np.arange(20_000) >= 300))
    result = compare({CONTROL: baseline}, {CONTROL: candidate}, labels)
    assert result.conditions[0].verdict.outcome is Outcome.PASS
    assert result.conditions[0].broken == ()
    assert [(fall.index, fall.name, fall.result.lost) for fall in result.conditions[0].fallen] == [(2, "dog", 75)]


@pytest.mark.parametrize(("class_tolerance", "outcome"), [(10.0, "FAIL"), (12.0, "PASS")])
def test_a_class_that_falls_too_far_fails_the_condition(class_tolerance, outcome):
    baseline = np.ones(40_000, bool)
    labels = np.arange(40_000) % 4
    # 11 points of one class in a hundredth of the images.
    labels[:39_000] = labels[:39_000] % 3
    labels[39_000:] = 3
    candidate = baseline & ((labels != 3) | (np.arange(40_000) >= 39_110))
    policy = GatePolicy(class_tolerance=class_tolerance)
    (found,) = compare({CONTROL: baseline}, {CONTROL: candidate}, labels, policy).conditions
    assert found.verdict.outcome is Outcome(outcome)
    assert [fall.name for fall in found.fallen] == ["emu"]
    assert bool(found.broken) is (outcome == "FAIL")


def test_a_class_that_may_have_fallen_by_chance_breaks_nothing():
    baseline = np.ones(10_000, bool)
    labels = np.zeros(10_000, int)
    labels[:6] = 3
    candidate = baseline & (np.arange(10_000) >= 3)
    (found,) = compare({CONTROL: baseline}, {CONTROL: candidate}, labels).conditions
    assert (found.verdict.outcome, found.fallen, found.broken) == (Outcome.PASS, (), ())


def test_images_that_a_model_could_not_read_do_not_count():
    baseline, candidate, labels = random_answers(4)
    images = np.arange(3000) % 3 > 0
    some = compare(baseline, candidate, labels, images=images)
    cut = compare(
        {c: a[images] for c, a in baseline.items()}, {c: a[images] for c, a in candidate.items()}, labels[images]
    )
    assert some == cut
    assert some.conditions[0].result.n == 2000


def test_conditions_that_only_the_baseline_has_are_left_out():
    baseline, candidate, labels = random_answers(5)
    del candidate[VFLIP]
    assert [found.condition for found in compare(baseline, candidate, labels).conditions] == [CONTROL, ZOOM]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 2000), st.sampled_from(["holm", "bh", "none"]), st.floats(0.01, 50))
def test_an_identical_candidate_never_fails_and_passes_with_images_enough(seed, images, correction, tolerance):
    baseline, _, labels = random_answers(seed, images=images)
    result = compare(baseline, baseline, labels, GatePolicy(tolerance, correction=correction))
    # With no changed image at all, a drop of the tolerance has to be excluded: at least the rule of three.
    enough = (1 - tolerance / 100) ** images < 0.05
    assert result.verdict.outcome in ({Outcome.PASS, Outcome.INCONCLUSIVE} if enough else {Outcome.INCONCLUSIVE})
    if images * tolerance / 100 > 6:
        assert result.verdict.outcome is Outcome.PASS
    assert not any(found.improved or found.fallen for found in result.conditions)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 500))
def test_swapping_the_models_turns_the_signs_and_keeps_p(seed, images):
    baseline, candidate, labels = random_answers(seed, images=images)
    policy = GatePolicy(correction="bh")
    there, back = compare(baseline, candidate, labels, policy), compare(candidate, baseline, labels, policy)
    for one, other in zip(there.conditions, back.conditions, strict=True):
        assert one.result.difference == -other.result.difference
        assert (one.result.ci_low, one.result.ci_high) == pytest.approx((-other.result.ci_high, -other.result.ci_low))
        assert (one.result.lost, one.result.gained) == (other.result.gained, other.result.lost)
        assert one.result.p_adjusted == pytest.approx(other.result.p_adjusted, nan_ok=True)
        assert [one.verdict.outcome, other.verdict.outcome].count(Outcome.FAIL) < 2
        if one.beyond_control is not None:
            assert one.beyond_control.value == pytest.approx(-other.beyond_control.value)
            assert one.beyond_control.low == pytest.approx(-other.beyond_control.high)


def test_what_fails_one_way_is_an_improvement_the_other_way():
    baseline, candidate, labels = random_answers(6)
    back = compare(candidate, baseline, labels).conditions[2]
    assert (back.verdict.outcome, back.improved) == (Outcome.PASS, True)
    assert not compare(baseline, candidate, labels).conditions[2].improved


def test_control_has_no_change_beyond_itself():
    first, *others = compare(*random_answers(7)).conditions
    assert first.beyond_control is None
    assert all(found.beyond_control is not None for found in others)


def test_a_small_class_that_is_lost_is_named_and_blind_classes_are_counted():
    # Four classes: two of 2,000 images, one of five that are all lost, and one of three that stay.
    labels = np.repeat([0, 1, 2, 3], [2000, 2000, 5, 3])
    before = np.ones(len(labels), np.bool_)
    after = before & (labels != 2)
    control, vflip = compare({CONTROL: before, VFLIP: before}, {CONTROL: before, VFLIP: after}, labels).conditions
    # Of five images p is at least 1/16, of all eight classes together no class of fewer than nine can be significant.
    assert stats.binomtest(0, 5).pvalue > 0.05
    assert 8 * stats.binomtest(0, 8).pvalue > 0.05 > 8 * stats.binomtest(0, 9).pvalue
    assert vflip.verdict.outcome is Outcome.PASS
    assert [found.name for found in vflip.unshown] == ["dog"]
    assert [found.name for found in vflip.blind] == ["dog", "emu"]
    assert vflip.verdict.reason.endswith(
        "; too few images to show or exclude falls of classes by more than 10 points: dog -100.0 (n = 5); "
        "2 classes have too few images that the baseline gets right to show any fall: dog (5 of 5), emu (3 of 3)"
    )
    assert control.unshown == ()
    assert control.verdict.reason.endswith(
        "); 2 classes have too few images that the baseline gets right to show any fall: dog (5 of 5), emu (3 of 3)"
    )


@pytest.mark.parametrize("right", [0, 3, 7, 8, 9, 20, 40])
def test_a_class_is_blind_where_the_loss_of_all_that_the_baseline_gets_right_is_not_significant(right):
    # Of the 40 images of one class the baseline gets so many right, of three others all 2,000.
    sizes = (2000, 2000, 40, 2000)
    labels, place = np.repeat(np.arange(4), sizes), np.concatenate([np.arange(size) for size in sizes])
    before = (labels != 2) | (place < right)
    answers = {CONTROL: before, VFLIP: before}
    lost = compare(answers, {CONTROL: before, VFLIP: before & (labels != 2)}, labels).conditions[1]
    same = compare(answers, answers, labels).conditions[1]
    # Two conditions of four classes are eight tests.
    seen = bool(right > 0 and 8 * stats.binomtest(0, right).pvalue < 0.05)
    assert [found.name for found in same.blind] == ([] if seen else ["dog"])
    assert (lost.verdict.outcome is Outcome.FAIL) is seen


@pytest.mark.parametrize("conditions", [1, 2, 10])
@pytest.mark.parametrize("lost", range(1, 21))
def test_images_that_are_too_few_are_never_as_many_as_would_do(conditions, lost):
    (found, *_) = evidence(
        [mcnemar(*answers(20 - lost, lost, 0, 0)), *[mcnemar(*answers(20, 0, 0, 0))] * (conditions - 1)], POLICY
    )
    verdict = judge(found, (), POLICY)
    if verdict.outcome is Outcome.INCONCLUSIVE:
        assert int(verdict.reason.partition("compare on about ")[2].split()[0]) > 20
