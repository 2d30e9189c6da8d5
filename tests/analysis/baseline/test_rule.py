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

from pytest_robustness.analysis.baseline.comparison import compare_models
from pytest_robustness.analysis.baseline.rule import (
    ConditionComparison,
    GatePolicy,
    beyond_control,
    judge,
    judge_all,
)
from pytest_robustness.analysis.findings import Estimate
from pytest_robustness.analysis.statistics import mcnemar
from pytest_robustness.analysis.test_result import McNemarResult, Outcome, Verdict
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.errors import OptionError

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


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (
            change(difference=-3.14, p_value=1e-9, p_adjusted=1e-8),
            "FAIL",
            "accuracy fell 3.1 points, more than the tolerance of 1; corrected p = 1e-08",
        ),
        (
            change(difference=-1.04, p_value=0.01, p_adjusted=0.01),
            "FAIL",
            "accuracy fell 1.04 points, more than the tolerance of 1; p = 0.01",
        ),
        (
            change(difference=2.0, ci_low=1.3, ci_high=2.7, p_adjusted=0.0012),
            "PASS",
            "accuracy rose 2.0 points; corrected p = 0.0012",
        ),
        (
            change(difference=0.0, lost=0, gained=0, ci_low=-4.0, ci_high=4.0, p_adjusted=1.0, n=60),
            "PASS",
            "right and wrong on the same images, all 60 of them",
        ),
        (
            change(ci_low=-1.0, ci_high=0.2),
            "PASS",
            "a drop of more than 1 points is excluded: -0.40 (95 % interval -1.00 to +0.20)",
        ),
        (
            change(),
            "PASS",
            "-0.40 points, within the tolerance of 1; a drop of 0.99 would have been seen 80 % of the time",
        ),
        (
            change(difference=-1.0, ci_low=-1.7, p_adjusted=0.001),
            "PASS",
            "-1.00 points, within the tolerance of 1; a drop of 0.99 would have been seen 80 % of the time",
        ),
        (
            change(detectable_drop=1.41),
            "INCONCLUSIVE",
            "10000 images are too few to see a drop of 1 points; compare on about 20000 images, or tolerate 1.5",
        ),
        (
            change(difference=0.5, detectable_drop=1.01),
            "INCONCLUSIVE",
            "10000 images are too few to see a drop of 1 points; compare on about 11000 images, or tolerate 1.1",
        ),
        (
            change(difference=-1.5, ci_low=-3.0, p_adjusted=0.2, detectable_drop=2.0),
            "INCONCLUSIVE",
            (
                "accuracy fell 1.5 points, more than the tolerance of 1, but corrected p = 0.2; "
                "compare on about 40000 images, or tolerate 2"
            ),
        ),
        (
            change(difference=-1.01, ci_low=-1.7, p_adjusted=0.06),
            "INCONCLUSIVE",
            "accuracy fell 1.01 points, more than the tolerance of 1, but corrected p = 0.06; compare on more images",
        ),
        (
            change(n=4, difference=0.0, lost=1, gained=1, ci_low=-60.0, detectable_drop=math.nan),
            "INCONCLUSIVE",
            "4 images are too few to see a drop of 1 points; compare on more images",
        ),
        (
            change(n=1, lost=0, gained=0, p_value=math.nan, p_adjusted=math.nan),
            "INCONCLUSIVE",
            "1 of the 2 images that a comparison needs",
        ),
    ],
)  # fmt: skip
def test_a_change_is_judged_with_its_figures(found, outcome, reason):
    assert judge(found, POLICY) == (Outcome(outcome), reason)


def test_a_drop_must_exceed_the_tolerance_and_be_significant():
    large, significant = {"difference": -1.2, "ci_low": -2.0}, {"p_adjusted": 0.049}
    assert judge(change(**large, **significant), POLICY).outcome is Outcome.FAIL
    assert judge(change(**large, p_adjusted=0.05), POLICY).outcome is not Outcome.FAIL
    assert judge(change(**significant), POLICY).outcome is not Outcome.FAIL
    assert judge(change(**large, **significant), GatePolicy(tolerance=1.2)).outcome is not Outcome.FAIL
    assert judge(change(**large, **significant), GatePolicy(alpha=0.04)).outcome is not Outcome.FAIL


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 101.0, math.nan])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(OptionError) as caught:
        GatePolicy(tolerance=tolerance)
    assert str(caught.value) == (
        f"tolerance is {tolerance:g}. Valid: points of accuracy above 0, up to 100, such as 1.0; "
        "no number of images could rule out every drop."
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
def test_no_drop_beyond_the_tolerance_passes(count, tolerance):
    found = mcnemar(*answers(*count))
    verdict = judge(found, GatePolicy(tolerance=tolerance))
    if found.n and -found.difference > tolerance:
        assert verdict.outcome is not Outcome.PASS
    elif found.n:
        assert verdict.outcome is not Outcome.FAIL


@settings(deadline=None)
@given(counts, st.integers(1, 50))
def test_losing_more_images_never_helps(count, more):
    kept, lost, gained, wrong = count
    order = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]
    before, after = (judge(mcnemar(*answers(kept + more - m, lost + m, gained, wrong)), POLICY) for m in (0, more))
    assert order.index(after.outcome) >= order.index(before.outcome)


@settings(deadline=None)
@given(counts)
def test_a_higher_tolerance_never_turns_a_pass_into_something_else(count):
    found = mcnemar(*answers(*count))
    verdicts = [judge(found, GatePolicy(tolerance=tolerance)).outcome for tolerance in (0.5, 1.0, 2.0, 5.0, 100.0)]
    first = next((i for i, outcome in enumerate(verdicts) if outcome is Outcome.PASS), len(verdicts))
    assert set(verdicts[first:]) <= {Outcome.PASS}


def condition_change(condition, outcome, improved=False):
    return ConditionComparison(condition, PLAIN, None, Verdict(Outcome(outcome), "why"), improved, ())


@pytest.mark.parametrize(
    ("outcomes", "outcome", "reason"),
    [
        ("PASS PASS PASS", "PASS", "no drop of more than 1 points in 3 conditions"),
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
    assert judge_all(changes, POLICY).reason == "no drop of more than 1 points in 2 conditions; better in zoom-s3"


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=2, max_size=40))
def test_the_difference_in_differences_is_a_mean_with_the_interval_of_the_normal(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    found = beyond_control(*columns)
    per_image = [100.0 * ((int(d) - int(c)) - (int(b) - int(a))) for a, b, c, d in rows]
    described = DescrStatsW(per_image)
    assert found.value == pytest.approx(described.mean)
    if described.std > 0:
        assert (found.low, found.high) == pytest.approx(described.zconfint_mean())
    else:
        assert found == Estimate(found.value, found.value, found.value)


def test_a_model_that_is_weaker_everywhere_bends_no_more():
    control, weaker = answers(kept=600, lost=100, gained=0, wrong=300)
    assert beyond_control(control, weaker, control, weaker) == (0, 0, 0)
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
    adjusted = multipletests(p, method="fdr_bh")[1]
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
    assert [(fall.index, fall.name, fall.result.lost) for fall in result.conditions[0].fallen] == [(2, "dog", 75)]


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
@given(st.integers(0, 10_000), st.integers(2, 200), st.sampled_from(["holm", "bh", "none"]), st.floats(0.01, 50))
def test_an_identical_candidate_always_passes(seed, images, correction, tolerance):
    baseline, _, labels = random_answers(seed, images=images)
    result = compare(baseline, baseline, labels, GatePolicy(tolerance, correction=correction))
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
