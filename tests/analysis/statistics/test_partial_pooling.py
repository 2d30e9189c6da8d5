"""Partially pooled values are the posterior's mean and deviation, as numerical integration gives them.

How often the intervals hold the truth is counted, of all classes and of those that stand apart.
"""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from pytest_robustness.analysis.statistics.partial_pooling import (
    pool,
    pool_with_outliers,
    pooled_changes,
    sampling_variance,
)


def integrated(y, v):
    """Mean and deviation of each true value: the spread is integrated by quadrature, given which all is normal."""

    def given(spread):
        weight = 1 / (v + spread**2)
        centre = np.sum(weight * y) / np.sum(weight)
        likelihood = np.prod(stats.norm.pdf(y, centre, np.sqrt(1 / weight))) / math.sqrt(np.sum(weight))
        if spread == 0:
            return likelihood, np.full(len(y), centre), np.full(len(y), 1 / np.sum(weight))
        precision = 1 / v + 1 / spread**2
        mean = (y / v + centre / spread**2) / precision
        return likelihood, mean, 1 / precision + (1 / spread**2 / precision) ** 2 / np.sum(weight)

    upper = 3 * math.sqrt(max(y.var(ddof=1), v.mean()))

    def moment(of):
        return integrate.quad(lambda spread: of(*given(spread)), 0, upper, limit=400)[0]

    total = moment(lambda likelihood, mean, variance: likelihood)
    means = [moment(lambda w, m, s, i=i: w * m[i]) / total for i in range(len(y))]
    squares = [moment(lambda w, m, s, i=i: w * (s[i] + m[i] ** 2)) / total for i in range(len(y))]
    return np.array(means), np.sqrt(np.array(squares) - np.array(means) ** 2)


CASES = [
    ([0.1, -0.2, 0.05], [0.01, 0.02, 0.01]),
    ([0.0, -0.9, 0.0], [0.001, 0.002, 0.001]),
    ([0.0, 0.0, 0.0], [0.01, 0.01, 0.01]),
    ([-0.3, -0.31, -0.29, -0.3], [0.01, 0.0001, 0.04, 0.01]),
    ([-0.5, 0.5], [0.01, 0.01]),
]


@pytest.mark.parametrize(("y", "v"), CASES)
def test_without_outliers_it_agrees_with_numerical_integration(y, v):
    y, v = np.array(y), np.array(v)
    value, error = integrated(y, v)
    found = pool(y, v)
    scale = np.sqrt(v.mean())
    np.testing.assert_allclose(found.mean, value, atol=0.01 * scale)
    np.testing.assert_allclose(found.error, error, rtol=0.02)


def summed(y, v):
    """Mean of each true value among the others, and the chance to stand apart: sums over spread, centre and share."""
    spreads = np.linspace(0, 3 * math.sqrt(max(y.var(ddof=1), v.mean())), 61)[1:, None, None, None]
    centres = np.linspace(y.min(), y.max(), 81)[None, :, None, None]
    shares = ((np.arange(25) + 0.5) / 25)[None, None, :, None]
    like = (1 - shares) * stats.norm.pdf(y, centres, np.sqrt(v + spreads**2))
    apart = shares / 2
    weight = np.prod(like + apart, axis=-1, keepdims=True)
    weight /= weight.sum()
    one = weight * like / (like + apart)
    mean = (y / v + centres / spreads**2) / (1 / v + 1 / spreads**2)
    axes = (0, 1, 2)
    return (one * mean).sum(axis=axes) / one.sum(axis=axes), 1 - one.sum(axis=axes)


MIXED = [
    ([0.1, -0.2, 0.05, 0.0, -0.1], [0.01, 0.02, 0.01, 0.01, 0.02]),
    ([0.0, -0.9, 0.01, -0.02, 0.0, 0.02], [0.001, 0.002, 0.001, 0.001, 0.001, 0.001]),
    ([-0.12, 0.0, 0.01, 0.0, -0.01, 0.02, 0.0, 0.01], [0.0006] * 8),
    ([-0.6, -0.55, 0.0, 0.02, -0.03, 0.0, 0.01, 0.0], [0.002] * 8),
]


@pytest.mark.parametrize(("y", "v"), MIXED)
def test_with_outliers_it_agrees_with_sums_over_all_that_is_unknown(y, v):
    y, v = np.array(y), np.array(v)
    value, apart = summed(y, v)
    found, found_apart = pool_with_outliers(y, v, 0.0)
    np.testing.assert_allclose(found_apart, apart, atol=0.1)
    one_of_them = apart < 0.5
    np.testing.assert_allclose(found.mean[one_of_them], value[one_of_them], atol=0.25 * np.sqrt(v.mean()))


def counted(lost, gained, n):
    lost, gained, n = (np.broadcast_to(part, np.shape(lost)) for part in (lost, gained, n))
    return pooled_changes(n, gained - lost, gained + lost)


def test_every_value_is_drawn_towards_the_others_and_the_noisiest_most():
    n = np.array([100, 100, 100, 10, 100, 100])
    value = counted(np.array([40, 25, 30, 4, 20, 27]), 0, n).value
    assert -0.4 < value.min() < -0.35
    assert value[3] > value[0]


def test_a_class_without_images_stays_unknown_and_moves_nothing():
    lost, n = np.array([1, 0, 9, 3]), np.array([10, 0, 12, 11])
    some, without = counted(lost, 0, n), counted(lost[[0, 2, 3]], 0, n[[0, 2, 3]])
    for found, expected in zip(some, without, strict=True):
        np.testing.assert_array_equal(found[[0, 2, 3]], expected)
        assert np.isnan(found[1])


def test_one_class_has_nothing_to_pool_with():
    found = counted(np.array([5, 0]), 0, np.array([20, 0]))
    # Bonett and Price's standard error, one image lost and one gained added.
    error = math.sqrt((7 / 22 - (5 / 22) ** 2) / 22)
    for value, expected in zip(found, -0.25 + error * stats.norm.ppf([0.5, 0.05, 0.95]), strict=True):
        assert value[0] == pytest.approx(expected, abs=1e-5)
    assert counted(np.zeros(0, np.int64), 0, 0).value.shape == (0,)
    assert np.isnan(counted(np.zeros(3, np.int64), 0, 0)).all()


def test_the_sampling_variance_is_that_of_the_mean_where_images_are_many():
    rng = np.random.default_rng(0)
    changes = [rng.choice([-1.0, 0.0, 1.0], 20_000, p=[p, 0.9 - p, 0.1]) for p in (0.1, 0.4)]
    sums = (np.array([c.sum() for c in changes]), np.array([np.square(c).sum() for c in changes]))
    found = sampling_variance(np.full(2, 20_000), *sums)
    np.testing.assert_allclose(found, [c.var(ddof=1) / 20_000 for c in changes], rtol=0.01)


def test_no_change_among_few_images_has_a_variance():
    found = sampling_variance(np.array([3, 3, 1]), np.zeros(3), np.zeros(3))
    assert (found > 0).all()
    # More images that did not change say more.
    assert sampling_variance(np.array([300, 300]), np.zeros(2), np.zeros(2))[0] < found[0] / 100


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.2])
def test_intervals_cover_and_the_worst_look_little_worse_than_they_are(spread):
    rng = np.random.default_rng(3)
    bias, raw, covered = [], [], []
    for _ in range(700):
        chance = rng.normal(0.3, spread, 10).clip(0, 1)
        truth = 0.05 * (1 - chance) - chance
        lost = rng.binomial(10, chance)
        gained = rng.binomial(10 - lost, 0.05)
        value = (gained - lost) / 10
        found = counted(lost, gained, 10)
        worst, raw_worst = np.argsort(found.value)[:3], np.argsort(value)[:3]
        bias.append(np.mean(found.value[worst] - truth[worst]))
        raw.append(np.mean(value[raw_worst] - truth[raw_worst]))
        covered.append((found.low <= truth) & (truth <= found.high))
    assert abs(np.mean(bias)) < 0.3 * abs(np.mean(raw))
    assert np.mean(covered) > 0.9


@pytest.mark.parametrize("churn", [0.0, 0.02])
@pytest.mark.parametrize(
    ("classes", "apart", "fall", "n"),
    [(10, 1, 0.5, 20), (20, 1, 0.3, 50), (100, 1, 0.5, 50), (1000, 1, 0.5, 50), (100, 5, 0.6, 20), (100, 0, 0.0, 20)],
)
def test_intervals_cover_classes_that_stand_apart_and_the_one_shown_first(classes, apart, fall, n, churn):
    rng = np.random.default_rng(7)
    truth = np.zeros(classes)
    truth[:apart] = -fall
    of_apart, of_all, first, values = [], [], [], []
    for _ in range(100):
        lost = rng.binomial(n, churn / 2 - truth)
        gained = rng.binomial(n - lost, churn / 2 / (1 - churn / 2 + truth))
        found = counted(lost, gained, n)
        held = (found.low <= truth + 1e-9) & (truth - 1e-9 <= found.high)
        of_apart.append(held[:apart])
        of_all.append(held.mean())
        first.append(held[np.argmin(found.value)])
        values.append(found.value[:apart])
    assert np.mean(of_all) > 0.95
    assert np.mean(first) > 0.82
    if apart:
        assert np.mean(of_apart) > 0.82
        assert np.mean(values) == pytest.approx(-fall, abs=0.04)


@pytest.mark.parametrize("fall", [0.0, 0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("sizes", [[50] * 10, [970, 30], [900, 100], [3000] * 9 + [30], [300] * 8 + [30, 10]])
def test_intervals_cover_a_class_that_falls_whatever_its_size_and_the_one_shown_first(sizes, fall):
    rng, n = np.random.default_rng(1), np.array(sizes)
    truth = np.zeros(len(n))
    truth[-1] = -fall
    last, first = [], []
    for _ in range(150):
        lost = rng.binomial(n, 0.01 - truth)
        found = counted(lost, rng.binomial(n - lost, 0.01 / (0.99 + truth)), n)
        held = (found.low <= truth) & (truth <= found.high)
        last.append(held[-1])
        first.append(held[np.argmin(found.value)])
    assert np.mean(last) > 0.83
    assert np.mean(first) > 0.83


@pytest.mark.parametrize(("classes", "n"), [(1, 20), (2, 20), (10, 8), (10, 89), (100, 20), (1000, 50)])
def test_a_class_that_lost_all_its_images_is_not_drawn_to_those_that_lost_none(classes, n):
    lost = np.zeros(classes, np.int64)
    lost[0] = n
    found = counted(lost, 0, n)
    # Of 20 images that are all lost, a fall by less than 86 points is excluded at 5 % (0.05 ** (1 / 20)); roughly so.
    exact = 0.05 ** (1 / n)
    assert found.value[0] < -0.97
    assert found.low[0] == -1
    assert -exact - 0.1 < found.high[0] < -exact + 0.12
    assert (np.abs(found.value[1:]) < 0.5 / n).all()
