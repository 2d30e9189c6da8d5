import contextlib
import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from pytest_robustness.analysis.statistics import (
    accuracies,
    adjust,
    compare,
    decide_by_images,
    mcnemar,
    mcnemar_by_class,
    mcnemar_from_counts,
)
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.process import one_thread

TESTS = ["independent", "welch", "paired"]
NUMBERS = [
    "n", "control", "treated", "difference", "ci_low", "ci_high", "effect_size", "statistic", "df", "p_value",
    "p_adjusted", "detectable_drop",
]  # fmt: skip


def table(rows, columns, seed=0):
    """Control and treated accuracies like those of models: classes differ, so do models, and the effect varies."""
    rng = np.random.default_rng(seed)
    control = rng.uniform(40, 90, (rows, 1)) + rng.normal(0, 8, (rows, columns))
    return control, control - rng.exponential(5, (rows, 1)) + rng.normal(0, 4, (rows, columns))


def with_missing(values, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(values.shape) < 0.1, np.nan, values)


def scipy_test(control, treated, test):
    """One comparison by scipy, of what was observed."""
    if test == "paired":
        observed = ~np.isnan(control) & ~np.isnan(treated)
        return stats.ttest_rel(treated[observed], control[observed])
    return stats.ttest_ind(treated[~np.isnan(treated)], control[~np.isnan(control)], equal_var=test == "independent")


def p_values(results):
    return np.array([result.p_value for result in results])


def column(results, name):
    return np.array([getattr(result, name) for result in results])


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("test", TESTS)
def test_agrees_with_scipy_row_by_row(test, missing):
    control, treated = table(1000, 12)
    if missing:
        control, treated = with_missing(control, 1), with_missing(treated, 2)
    expected = [scipy_test(*row, test) for row in zip(control, treated, strict=True)]
    results = compare(control, treated, test=test)
    for name, field in {"statistic": "statistic", "pvalue": "p_value", "df": "df"}.items():
        np.testing.assert_allclose(column(results, field), column(expected, name), rtol=1e-12, atol=1e-12)
    intervals = np.array([row.confidence_interval(0.95) for row in expected])
    np.testing.assert_allclose(column(results, "ci_low"), intervals[:, 0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(column(results, "ci_high"), intervals[:, 1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("test", TESTS)
def test_counts_and_means_are_those_of_what_was_observed(test):
    control = [[90.0, np.nan, 70.0, 80.0]]
    treated = [[60.0, 30.0, np.nan, 50.0]]
    (result,) = compare(control, treated, test=test)
    if test == "paired":
        assert (result.n, result.control, result.treated) == (2, 85.0, 55.0)
    else:
        assert (result.n, result.control, result.treated) == (3, 80.0, pytest.approx(140 / 3))
    assert result.difference == pytest.approx(result.treated - result.control)
    assert result.test == test


@pytest.mark.parametrize("test", ["independent", "welch"])
def test_effect_size_is_cohens_d_with_the_pooled_deviation(test):
    control, treated = (with_missing(group, seed) for seed, group in enumerate(table(50, 12)))
    for result, *row in zip(compare(control, treated, test=test), control, treated, strict=True):
        first, second = (DescrStatsW(group[~np.isnan(group)]) for group in row)
        pooled = CompareMeans(second, first).std_meandiff_pooledvar / math.sqrt(1 / first.nobs + 1 / second.nobs)
        assert result.effect_size == pytest.approx((second.mean - first.mean) / pooled, rel=1e-12)


def test_effect_size_of_pairs_is_the_mean_difference_over_its_deviation():
    control, treated = table(50, 12)
    differences = treated - control
    expected = differences.mean(axis=1) / differences.std(axis=1, ddof=1)
    assert column(compare(control, treated, test="paired"), "effect_size") == pytest.approx(expected, rel=1e-12)


WITHOUT_SPREAD = [
    ("independent", [50, 50, 50], [50, 50, 50], 3),
    ("independent", [50, 50, 50], [40, 40, 40], 3),
    ("independent", [0.1 + 0.2] * 3, [0.3] * 3, 3),
    ("independent", [50, 50 + 1e-13, 50], [50, 50, 50 - 1e-13], 3),
    ("independent", [50, 50, np.nan], [40, 40, 40], 2),
    ("independent", [0] * 12, [100] * 12, 12),
    ("welch", [50, 50, 50], [40, 40, 40], 3),
    ("paired", [50, 60, 70], [50, 60, 70], 3),
    ("paired", [50, 60, 70], [45, 55, 65], 3),
    ("paired", [50, 60, 70], [50 + 1e-13, 60, 70], 3),
    ("paired", [50, 60, 70, 10], [45, 55, 65, np.nan], 3),
]


@pytest.mark.parametrize(("test", "control", "treated", "n"), WITHOUT_SPREAD)
def test_without_spread_there_is_no_t_test(test, control, treated, n):
    (result,) = compare([control], [treated], test=test)
    assert (result.n, result.constant, result.conclusive) == (n, True, False)
    undecided = ["ci_low", "ci_high", "effect_size", "statistic", "df", "p_value", "p_adjusted", "detectable_drop"]
    assert [name for name in undecided if not math.isnan(getattr(result, name))] == []
    seen = ~np.isnan(control) & ~np.isnan(treated) if test == "paired" else ~np.isnan(control)
    assert result.control == pytest.approx(np.mean(np.array(control)[seen]))
    assert result.treated == pytest.approx(np.nanmean(np.array(treated)[seen if test == "paired" else slice(None)]))


@pytest.mark.parametrize(("test", "control", "treated", "n"), WITHOUT_SPREAD)
def test_the_images_decide_where_there_is_no_spread(test, control, treated, n):
    constant = compare([control], [treated], test=test)
    (decided,) = decide_by_images(constant, [0.03])
    assert (decided.p_value, decided.p_adjusted, decided.conclusive) == (0.03, 0.03, True)
    assert (decided.rejects(0.05), decided.rejects(0.03)) == (True, False)
    assert decided.constant
    assert math.isnan(decided.ci_low)
    assert math.isnan(decided.detectable_drop)


def test_the_images_decide_nothing_where_there_is_a_t_test_or_no_observation():
    found = compare([[50, 60, 70], [50, np.nan, np.nan], [np.nan] * 3], [[40, 41, 60], [40, 41, 60], [np.nan] * 3])
    for before, after in zip(found, decide_by_images(found, [0.0, 0.0, math.nan]), strict=True):
        assert dataclasses.astuple(after) == pytest.approx(dataclasses.astuple(before), nan_ok=True)
    assert decide_by_images([], []) == []


@pytest.mark.parametrize("spread", [1e-11, 1e-6])
def test_a_spread_above_rounding_is_tested(spread):
    (result,) = compare([[50, 50 + spread, 50]], [[50, 50, 50 - spread]])
    assert 0 < result.p_value < 1


def one_share_gives(right, n):
    """Whether some share of right answers, times the sizes, rounds to all the counts: exactly, in fractions."""
    ends = [(Fraction(2 * k - 1, 2 * size), Fraction(2 * k + 1, 2 * size)) for k, size in zip(right, n, strict=True)]
    return max(low for low, _ in ends) < min(high for _, high in ends)


@pytest.mark.parametrize("test", ["independent", "welch", "paired"])
@given(
    classes=st.lists(
        st.integers(1, 1000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))),
        min_size=2,
        max_size=5,
    ),
    near=st.booleans(),
)
def test_accuracies_that_are_one_but_for_whole_images_have_no_spread(test, classes, near):
    n, control, treated = np.array(classes).T
    if near:
        # As right as the first class, as near as whole images allow.
        control, treated = (np.rint(n * right[0] / n[0]).astype(int) for right in (control, treated))
    (result,) = compare([100 * control / n], [100 * treated / n], test=test, images=[n])
    if test == "paired":
        assert result.constant == one_share_gives((treated - control).tolist(), n.tolist())
    else:
        assert result.constant == all(one_share_gives(right.tolist(), n.tolist()) for right in (control, treated))


@pytest.mark.parametrize("test", ["independent", "welch", "paired"])
def test_one_image_lost_in_each_of_two_classes_of_different_sizes_is_left_to_the_images(test):
    control, treated, n = [[100.0, 100.0]], [[100 * 489 / 490, 100 * 509 / 510]], [[490, 510]]
    (exact,) = compare(control, treated, test=test)
    assert exact.p_value < 0.05
    assert compare(control, treated, test=test, images=n)[0].constant
    # Two more in one of them are a spread.
    treated[0][0] -= 200 / 490
    assert not compare(control, treated, test=test, images=n)[0].constant


@pytest.mark.parametrize("test", ["independent", "welch"])
def test_one_constant_group_beside_a_varying_one_is_tested(test):
    control, treated = np.full(12, 100 / 3), table(1, 12)[1][0]
    (result,) = compare([control], [treated], test=test)
    variances = treated.var(ddof=1) / 12
    assert result.statistic == pytest.approx((treated.mean() - 100 / 3) / math.sqrt(variances), rel=1e-12)
    assert result.df == pytest.approx(22 if test == "independent" else 11)


@pytest.mark.parametrize(
    ("test", "control", "treated", "n"),
    [
        ("independent", [50.0], [40.0], 1),
        ("independent", [50.0, 60.0, 70.0], [40.0, np.nan, np.nan], 1),
        ("independent", [np.nan, np.nan, np.nan], [40.0, 50.0, 60.0], 0),
        ("welch", [], [], 0),
        ("paired", [50.0, 60.0, np.nan], [40.0, np.nan, 50.0], 1),
    ],
)
def test_fewer_than_two_observations_are_inconclusive(test, control, treated, n):
    (result,) = compare([control], [treated], test=test)
    assert (result.n, result.conclusive, result.rejects(1.0)) == (n, False, False)
    undecided = ["ci_low", "ci_high", "effect_size", "statistic", "df", "p_value", "p_adjusted", "detectable_drop"]
    assert [name for name in undecided if not math.isnan(getattr(result, name))] == []


def test_one_observation_still_tells_the_means():
    (result,) = compare([[50.0]], [[40.0]])
    assert (result.control, result.treated, result.difference) == (50, 40, -10)


def test_rows_of_every_kind_go_together():
    control = np.array([[50, 50, 50], [50, 60, 70], [50, np.nan, np.nan], [50, 60, np.nan], [1, 1, 1]])
    treated = np.array([[50, 50, 50], [10, 20, 40], [40, 50, 60], [40, 50, 60], [2, 2, 2]])
    together = compare(control, treated)
    alone = [compare([a], [b])[0] for a, b in zip(control, treated, strict=True)]
    for one, other in zip(together, alone, strict=True):
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other), nan_ok=True)
    assert [result.p_value for result in together] == pytest.approx(
        [math.nan, alone[1].p_value, math.nan, alone[3].p_value, math.nan], nan_ok=True
    )


def test_no_rows_give_no_results():
    assert compare(np.empty((0, 12)), np.empty((0, 12))) == []


def test_results_hold_plain_numbers():
    (result,) = compare(*table(1, 12))
    assert type(result.n) is int
    assert {type(getattr(result, name)) for name in NUMBERS[1:]} == {float}


def test_groups_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"^control and treated must have one shape \[k, n\]; got \(2, 3\), \(2, 4\)$"):
        compare(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"^control and treated must have one shape \[k, n\]; got \(3,\), \(3,\)$"):
        compare(np.zeros(3), np.zeros(3))


def test_an_unknown_test_is_refused():
    with pytest.raises(OptionError, match=r"^'anova' is not a test\. Known: independent, paired, welch\.$"):
        compare([[1, 2]], [[1, 2]], test="anova")


groups = st.tuples(st.integers(1, 4), st.integers(2, 8)).flatmap(
    lambda shape: st.tuples(
        *[arrays(np.float64, shape, elements=st.integers(0, 40).map(lambda hits: 2.5 * hits) | st.just(np.nan))] * 2
    )
)


@settings(deadline=None)
@given(groups, st.sampled_from(TESTS))
def test_swapping_the_groups_keeps_p_and_turns_the_signs(pair, test):
    control, treated = pair
    there, back = compare(control, treated, test=test), compare(treated, control, test=test)
    assert p_values(there) == pytest.approx(p_values(back), nan_ok=True)
    for name in ("difference", "statistic", "effect_size"):
        assert column(there, name) == pytest.approx(-column(back, name), nan_ok=True)
    assert column(there, "ci_low") == pytest.approx(-column(back, "ci_high"), nan_ok=True)


@settings(deadline=None)
@given(groups, st.sampled_from(TESTS), st.integers(-64, 64))
def test_shifting_both_groups_keeps_p(pair, test, shift):
    control, treated = pair
    expected = p_values(compare(control, treated, test=test))
    assert p_values(compare(control + shift, treated + shift, test=test)) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(groups, st.sampled_from(TESTS), st.randoms(use_true_random=False))
def test_the_order_of_the_observations_does_not_matter(pair, test, random):
    control, treated = pair
    order = list(range(control.shape[1]))
    random.shuffle(order)
    other = list(order)
    if test != "paired":
        random.shuffle(other)
    results, shuffled = compare(control, treated, test=test), compare(control[:, order], treated[:, other], test=test)
    for name in NUMBERS:
        assert column(shuffled, name) == pytest.approx(column(results, name), nan_ok=True, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(groups, st.sampled_from(TESTS))
def test_the_interval_holds_zero_exactly_where_the_test_does_not_reject(pair, test):
    for result in compare(*pair, test=test):
        if result.conclusive and abs(result.p_value - 0.05) > 1e-6:
            assert result.rejects(0.05) == (not result.ci_low <= 0 <= result.ci_high)


def share_seen(drop, df, alpha):
    """How often t, a normal mean over an independent chi deviation, passes its critical value: by quadrature."""
    chances = (np.arange(100_000) + 0.5) / 100_000
    deviations = np.sqrt(stats.chi2.ppf(chances, df) / df)
    return stats.norm.cdf(drop - stats.t.isf(alpha / 2, df) * deviations).mean()


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
@pytest.mark.parametrize("n", [2, 3, 12, 1000])
@pytest.mark.parametrize("test", TESTS)
def test_a_drop_of_the_detectable_size_has_80_percent_power(test, n, alpha):
    scores = np.linspace(-1, 1, n)
    control, treated = 50 + scores, 50 + (scores if test != "paired" else -scores)
    (result,) = compare([control], [treated], test=test, alpha=alpha)
    if test == "paired":
        standard_error = stats.sem(treated - control)
    else:
        standard_error = math.hypot(stats.sem(control), stats.sem(treated))
    assert share_seen(result.detectable_drop / standard_error, result.df, alpha) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("n", [6, 12, 100])
def test_the_detectable_drop_is_statsmodels_where_that_can_solve_it(n):
    scores = np.linspace(-1, 1, n)
    deviation = np.std(scores, ddof=1)
    (independent,), (paired,) = compare([scores], [scores]), compare([scores], [2 * scores], test="paired")
    effects = independent.detectable_drop / deviation, paired.detectable_drop / deviation
    assert effects[0] == pytest.approx(TTestIndPower().solve_power(nobs1=n, alpha=0.05, power=0.8), rel=1e-4)
    assert effects[1] == pytest.approx(TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8), rel=1e-4)


def test_the_detectable_drop_allows_for_groups_of_different_size():
    control, treated = np.linspace(49, 51, 12), np.r_[np.linspace(49, 51, 4), np.full(8, np.nan)]
    (result,) = compare([control], [treated])
    pooled = math.sqrt((11 * control.var(ddof=1) + 3 * treated[:4].var(ddof=1)) / 14)
    power = TTestIndPower().power(result.detectable_drop / pooled, 12, 0.05, ratio=4 / 12)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_the_detectable_drop_of_an_extreme_alpha_is_found():
    (result,) = compare([[50, 60]], [[40, 45]], test="paired", alpha=1e-9)
    # With one degree of freedom t is the ratio of two normals; the numerator's noise is nothing here.
    standard_error = 2.5
    expected = stats.t.isf(5e-10, 1) * stats.halfnorm.ppf(0.8) * standard_error
    assert result.detectable_drop == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("test", TESTS)
def test_four_of_five_experiments_see_the_detectable_drop(test):
    rng = np.random.default_rng(5)
    scores = np.linspace(-1, 1, 12)
    (planned,) = compare([scores], [scores if test != "paired" else -scores], test=test)
    deviation = np.std(scores, ddof=1) if test != "paired" else np.std(2 * scores, ddof=1)
    base = rng.normal(50, 10, (4000, 12)) if test == "paired" else 50
    noise = deviation if test != "paired" else deviation / math.sqrt(2)
    control = base + rng.normal(0, noise, (4000, 12))
    treated = base + rng.normal(-planned.detectable_drop, noise, (4000, 12))
    seen = np.mean(p_values(compare(control, treated, test=test)) < 0.05)
    assert seen == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("test", TESTS)
def test_one_of_twenty_true_nulls_is_rejected(test):
    rng = np.random.default_rng(6)
    control, treated = rng.normal(70, 5, (2, 10_000, 12))
    rejected = np.mean(p_values(compare(control, treated, test=test)) < 0.05)
    assert rejected == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 10_000))


def results_with(values):
    (template,) = compare([[50, 60]], [[40, 45]])
    return [dataclasses.replace(template, p_value=p, p_adjusted=p) for p in values]


def holm(values):
    """Holm's step-down procedure, as he describes it."""
    adjusted, worst = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        worst = max(worst, (len(values) - rank) * values[index])
        adjusted[index] = min(1.0, worst)
    return adjusted


REFERENCES = {"holm": holm, "bh": lambda values: stats.false_discovery_control(values, method="bh")}
families = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@settings(deadline=None)
@given(families, st.sampled_from(["bh", "holm"]))
def test_correction_agrees_with_its_definition(values, correction):
    adjusted = column(adjust(results_with(values), correction), "p_adjusted")
    assert adjusted == pytest.approx(REFERENCES[correction](values))


@settings(deadline=None)
@given(families, st.sampled_from(["none", "bh", "holm"]))
def test_correction_raises_p_and_keeps_its_order(values, correction):
    adjusted = column(adjust(results_with(values), correction), "p_adjusted")
    assert (adjusted >= np.array(values) * (1 - 1e-12)).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= -1e-12).all()


@pytest.mark.parametrize("correction", ["bh", "holm"])
def test_inconclusive_results_are_no_members_of_the_family(correction):
    values = [0.01, math.nan, 0.04, math.nan]
    adjusted = column(adjust(results_with(values), correction), "p_adjusted")
    assert adjusted == pytest.approx([0.02, math.nan, 0.04, math.nan], nan_ok=True)


@pytest.mark.parametrize("correction", ["none", "bh", "holm"])
def test_a_family_of_inconclusive_results_stays_so(correction):
    assert adjust([], correction) == []
    assert not any(result.conclusive for result in adjust(results_with([math.nan, math.nan]), correction))


def test_without_correction_nothing_changes():
    results = results_with([0.01, 0.04])
    assert adjust(results, "none") == results


def test_correction_changes_nothing_but_the_corrected_p():
    (result,) = adjust(results_with([0.01, 0.04]), "holm")[:1]
    assert dataclasses.replace(result, p_adjusted=0.01) == results_with([0.01])[0]


def test_an_unknown_correction_is_refused():
    with pytest.raises(OptionError, match=r"^'sidak' is not a correction\. Known: bh, holm, none\.$"):
        adjust([], "sidak")


def answers(kept, lost, gained, wrong):
    """Images by what happened to them: bool [N] control and treated."""
    control = np.repeat([True, True, False, False], [kept, lost, gained, wrong])
    return control, np.repeat([True, False, True, False], [kept, lost, gained, wrong])


counts = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda count: sum(count) >= 2)


@settings(deadline=None)
@given(counts)
def test_mcnemar_agrees_with_statsmodels_and_the_binomial_test(count):
    kept, lost, gained, wrong = count
    result = mcnemar(*answers(*count))
    if sum(count) < 6:  # 2 * 0.5**5 > 0.05: whatever changes, nothing is significant
        assert not result.conclusive
        return
    assert result.p_value == pytest.approx(statsmodels_mcnemar([[kept, lost], [gained, wrong]], exact=True).pvalue)
    if lost + gained:
        assert result.p_value == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)


@pytest.mark.parametrize(("alpha", "fewest"), [(0.05, 6), (0.01, 8), (0.2, 4), (0.0625, 6), (0.5, 3)])
def test_mcnemar_is_inconclusive_where_not_even_the_loss_of_all_images_would_be_significant(alpha, fewest):
    few, enough = (mcnemar(*answers(0, lost, 0, 0), alpha=alpha) for lost in (fewest - 1, fewest))
    assert (few.conclusive, few.rejects(alpha), few.n, few.difference) == (False, False, fewest - 1, -100)
    assert (enough.conclusive, enough.rejects(alpha)) == (True, True)
    assert stats.binomtest(0, fewest - 1).pvalue >= alpha > stats.binomtest(0, fewest).pvalue


@pytest.mark.parametrize("alpha", [1e-9, 1e-300, 1e-320])
def test_an_alpha_that_nothing_reaches_leaves_mcnemar_inconclusive(alpha):
    result = mcnemar(*answers(kept=5, lost=20, gained=0, wrong=0), alpha=alpha)
    assert not result.conclusive
    assert math.isnan(result.detectable_drop)


def test_mcnemar_tells_what_happened_to_the_images():
    result = mcnemar(*answers(kept=60, lost=20, gained=5, wrong=15))
    assert (result.test, result.n, result.control, result.treated, result.difference) == ("mcnemar", 100, 80, 65, -15)
    assert (result.statistic, result.effect_size) == (20, 5 / 25 - 0.5)
    assert result.statistic + result.n * result.difference / 100 == 5
    assert math.isnan(result.df)
    assert result.p_adjusted == result.p_value


def test_mcnemar_gives_the_interval_of_bonett_and_price():
    result = mcnemar(*answers(kept=12, lost=4, gained=26, wrong=6))
    # As printed for this table in the documentation of Bonett's R package statpsych, function ci.prop.ps.
    assert (result.ci_low, result.ci_high) == pytest.approx((25.48067, 62.51933), abs=1e-5)


def test_the_interval_covers_the_true_difference_19_times_of_20():
    rng = np.random.default_rng(7)
    p_lost, p_gained, images = 0.15, 0.05, 100
    draws = rng.random((5000, images))
    control = (draws < p_lost) | (draws > 0.5)
    treated = ((draws >= p_lost) & (draws < p_lost + p_gained)) | (draws > 0.5)
    labels = np.repeat(np.arange(5000), images)
    results = mcnemar_by_class(control.ravel(), treated.ravel(), labels, 5000)
    covered = (column(results, "ci_low") <= -10) & (column(results, "ci_high") >= -10)
    assert covered.mean() == pytest.approx(0.95, abs=0.015)


def test_the_interval_stays_within_what_accuracies_can_do():
    result = mcnemar(*answers(kept=0, lost=30, gained=0, wrong=0))
    assert (result.difference, result.ci_low) == (-100, -100)
    assert result.ci_high > -100


@settings(deadline=None)
@given(counts)
def test_swapping_the_conditions_keeps_mcnemars_p_and_turns_the_signs(count):
    control, treated = answers(*count)
    there, back = mcnemar(control, treated), mcnemar(treated, control)
    assert there.p_value == pytest.approx(back.p_value, nan_ok=True)
    assert (there.difference, there.effect_size) == pytest.approx((-back.difference, -back.effect_size))
    assert (there.ci_low, there.ci_high) == pytest.approx((-back.ci_high, -back.ci_low))


def test_without_changed_images_mcnemar_sees_nothing():
    result = mcnemar(*answers(kept=30, lost=0, gained=0, wrong=10))
    assert (result.p_value, result.difference, result.effect_size, result.statistic) == (1, 0, 0, 0)
    assert result.ci_low < 0 < result.ci_high


@pytest.mark.parametrize("images", [0, 1])
def test_fewer_than_two_images_are_inconclusive(images):
    result = mcnemar([True] * images, [False] * images)
    assert (result.n, result.conclusive) == (images, False)
    assert math.isnan(result.ci_low)
    assert math.isnan(result.detectable_drop)


def test_by_class_is_mcnemar_on_the_images_of_each_class():
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 20, 2000)
    labels[labels == 3] = 4
    control, treated = rng.random(2000) < 0.8, rng.random(2000) < 0.7
    together = mcnemar_by_class(control, treated, labels, 20)
    alone = [mcnemar(control[labels == c], treated[labels == c]) for c in range(20)]
    for one, other in zip(together, alone, strict=True):
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other), nan_ok=True)
    assert [index for index, result in enumerate(together) if not result.conclusive] == [3]


@settings(deadline=None)
@given(st.lists(counts, min_size=1, max_size=5), st.sampled_from([0.01, 0.05]))
def test_counts_alone_give_what_the_images_do(pairs, alpha):
    lost, gained, n = np.array([(pair[1], pair[2], sum(pair)) for pair in pairs]).T
    found = mcnemar_from_counts(lost, gained, n, alpha=alpha)
    for row, pair in enumerate(pairs):
        whole = mcnemar(*answers(*pair), alpha=alpha)
        assert {name: column[row] for name, column in found.items()} == pytest.approx(
            {name: getattr(whole, name) for name in found}, nan_ok=True
        )


def exact_power(changed, share_gained, alpha):
    """The share of splits of the changed images that show a loss, by counting every one of them."""
    gained = np.arange(changed + 1)
    p = [stats.binomtest(int(count), changed).pvalue for count in gained]
    losses = (np.array(p) < alpha) & (gained < changed / 2)
    return stats.binom.pmf(gained, changed, share_gained)[losses].sum()


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize("changed", [9, 30, 150])
def test_mcnemar_sees_a_loss_of_the_detectable_size_with_80_percent_power(changed, alpha):
    result = mcnemar(*answers(kept=300, lost=changed - 4, gained=4, wrong=0), alpha=alpha)
    net_share_of_changed = result.detectable_drop / 100 * result.n / changed
    assert exact_power(changed, (1 - net_share_of_changed) / 2, alpha) == pytest.approx(0.8, abs=1e-9)


def test_four_of_five_draws_of_the_changed_images_show_the_detectable_loss():
    rng = np.random.default_rng(9)
    draws, images, changed = 2000, 200, 60
    planned = mcnemar(*answers(kept=140, lost=30, gained=30, wrong=0))
    share_gained = (1 - planned.detectable_drop / 100 * images / changed) / 2
    gained = rng.binomial(changed, share_gained, draws)[:, None]
    position = np.arange(images)
    control = position >= gained
    treated = (position < gained) | (position >= changed)
    labels = np.repeat(np.arange(draws), images)
    results = mcnemar_by_class(control.ravel(), treated.ravel(), labels, draws)
    assert {result.n for result in results} == {images}
    assert np.mean(p_values(results) < 0.05) == pytest.approx(0.8, abs=0.03)


def test_where_too_few_images_changed_the_detectable_loss_needs_more_of_them():
    few = mcnemar(*answers(kept=98, lost=2, gained=0, wrong=0))
    six = mcnemar(*answers(kept=94, lost=6, gained=0, wrong=0))
    assert few.detectable_drop == six.detectable_drop
    assert exact_power(6, (1 - six.detectable_drop / 6) / 2, 0.05) == pytest.approx(0.8)


def test_no_loss_among_five_images_could_ever_be_seen():
    assert math.isnan(mcnemar([True] * 5, [False] * 5).detectable_drop)
    assert not math.isnan(mcnemar([True] * 6, [False] * 6).detectable_drop)


def test_answers_of_different_lengths_are_refused():
    with pytest.raises(
        ValueError, match=r"^control, treated and labels must have one shape \[N\]; got \(2,\), \(3,\), \(2,\)$"
    ):
        mcnemar([True, False], [True, False, True])


@pytest.mark.parametrize(("labels", "found"), [([0, 3], "0 to 3"), ([-1, 2], "-1 to 2")])
def test_labels_out_of_range_are_refused(labels, found):
    with pytest.raises(ValueError, match=rf"^labels must lie in 0 to 2; got {found}$"):
        mcnemar_by_class([True, False], [True, True], labels, 3)


def test_accuracies_are_percentages_and_nan_without_images():
    found = accuracies([[3, 0, 0], [7, 1, 2]], [[4, 5, 0], [7, 3, 2]])
    np.testing.assert_array_equal(found, [[75, 0, np.nan], [100, 100 / 3, 100]])


def test_one_row_of_sizes_serves_every_model():
    np.testing.assert_array_equal(accuracies([[1, 2], [0, 4]], [2, 4]), [[50, 50], [0, 100]])


def test_filters_of_warnings_are_set_in_the_turn_of_one_thread():
    """Two threads that set and put them back at once would leave one of them with the other's, and with a warning."""
    constant, varying = [[100.0, 100.0, 100.0]], [[90.0, 80.0, 70.0]]
    with ThreadPoolExecutor(1) as pool:
        with one_thread(contextlib.nullcontext()):
            other = pool.submit(compare, constant, varying)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.05)
        assert other.result(timeout=30)[0].difference == pytest.approx(-20)
