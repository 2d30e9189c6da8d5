"""Partially pooled values are the posterior's mean and deviation, as numerical integration gives them."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from pytest_robustness.analysis.statistics.partial_pooling import partially_pooled, sampling_variance


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
def test_it_agrees_with_numerical_integration(y, v):
    y, v = np.array(y), np.array(v)
    value, error = integrated(y, v)
    found = partially_pooled(y, v)
    scale = np.sqrt(v.mean())
    np.testing.assert_allclose(found.value, value, atol=0.01 * scale)
    np.testing.assert_allclose(found.error, error, rtol=0.02)


def test_every_value_is_drawn_towards_the_others_and_the_noisiest_most():
    y, v = np.array([-0.4, 0.0, 0.02, -0.4]), np.array([0.002, 0.002, 0.002, 0.02])
    found = partially_pooled(y, v)
    assert y.min() < found.value.min()
    assert found.value[3] > found.value[0]
    assert (found.error < np.sqrt(v)).all()


def test_a_class_without_images_stays_unknown_and_moves_nothing():
    y, v = np.array([0.1, np.nan, -0.2, 0.05]), np.array([0.01, np.nan, 0.02, 0.01])
    some, without = partially_pooled(y, v), partially_pooled(y[[0, 2, 3]], v[[0, 2, 3]])
    np.testing.assert_array_equal(some.value[[0, 2, 3]], without.value)
    assert np.isnan(some.value[1])
    assert np.isnan(some.error[1])


def test_one_class_has_nothing_to_pool_with():
    found = partially_pooled(np.array([-0.25, np.nan]), np.array([0.04, np.nan]))
    assert (found.value[0], found.error[0]) == (-0.25, 0.2)
    assert partially_pooled(np.array([]), np.array([])).value.shape == (0,)


def test_the_sampling_variance_is_that_of_the_mean_where_images_are_many():
    rng = np.random.default_rng(0)
    changes = [rng.choice([-1.0, 0.0, 1.0], 20_000, p=[p, 0.9 - p, 0.1]) for p in (0.1, 0.4)]
    found = sampling_variance(np.full(2, 20_000), [c.sum() for c in changes], [np.square(c).sum() for c in changes])
    np.testing.assert_allclose(found, [c.var(ddof=1) / 20_000 for c in changes], rtol=0.01)


def test_no_change_among_few_images_has_a_variance():
    found = sampling_variance(np.array([3, 3, 0, 1]), np.zeros(4), np.zeros(4))
    assert (found[[0, 1, 3]] > 0).all()
    assert np.isnan(found[2])
    # More images that did not change say more.
    assert sampling_variance(np.array([300, 300]), np.zeros(2), np.zeros(2))[0] < found[0] / 100


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.2])
def test_intervals_cover_and_the_worst_look_little_worse_than_they_are(spread):
    rng = np.random.default_rng(3)
    bias, raw, covered = [], [], []
    for _ in range(700):
        truth = rng.normal(-0.25, spread, 10).clip(-0.95, 0.05)
        lost = rng.binomial(10, np.clip(-truth + 0.05, 0, 1))
        gained = rng.binomial(10 - lost, 0.05)
        value = (gained - lost) / 10
        found = partially_pooled(value, sampling_variance(np.full(10, 10), gained - lost, gained + lost))
        worst, raw_worst = np.argsort(found.value)[:3], np.argsort(value)[:3]
        bias.append(np.mean(found.value[worst] - truth[worst]))
        raw.append(np.mean(value[raw_worst] - truth[raw_worst]))
        covered.append(np.abs(found.value - truth) < 1.645 * found.error)
    assert abs(np.mean(bias)) < 0.3 * abs(np.mean(raw))
    assert 0.87 < np.mean(covered) < 0.97
