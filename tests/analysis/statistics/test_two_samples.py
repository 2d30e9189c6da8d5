"""The bound on how probably so few answers are right, over classes that each are as right as before."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.statistics.two_samples import fewer_right


def exact(right, n, right_now, n_now):
    """Convolve the distributions of the classes."""
    tables = zip(right, n, right_now, n_now, strict=True)
    chances = [stats.hypergeom.pmf(np.arange(now + 1), size + now, a + b, now) for a, size, b, now in tables]
    return float(functools.reduce(np.convolve, chances)[: right_now.sum() + 1].sum())


@pytest.mark.parametrize(("classes", "before", "now"), [(1, 40, 40), (10, 20, 180), (30, 5, 5), (30, 50, 3)])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_the_bound_is_never_below_the_exact_p(classes, before, now, share):
    rng = np.random.default_rng(classes)
    for fall in np.linspace(0, 1, 11).repeat(3):
        n, n_now = rng.integers(1, 2 * before, classes), rng.integers(1, 2 * now, classes)
        shares = rng.beta(4 * share, 4 * (1 - share), classes)
        right, right_now = rng.binomial(n, shares), rng.binomial(n_now, shares * (1 - fall))
        assert exact(right, n, right_now, n_now) * (1 - 1e-9) <= fewer_right(right, n, right_now, n_now) <= 1


def test_the_bound_is_close_to_a_small_p_of_many_images():
    rng, n = np.random.default_rng(7), np.full(1000, 5)
    near = []
    for fall in np.linspace(0.03, 0.08, 20):
        counts = rng.binomial(n, 0.8), n, rng.binomial(n, 0.8 - fall), n
        bound, p = float(fewer_right(*counts)), exact(*counts)
        if 1e-9 < p < 1e-3:
            near.append(bound / p)
    assert len(near) > 5
    assert max(near) < 50


def test_the_bound_is_one_where_nothing_fell_and_classes_of_one_side_say_nothing():
    counts = np.array([[4, 3], [5, 5], [8, 7], [10, 10]])
    assert fewer_right(*counts) == 1
    assert fewer_right(*np.zeros((4, 3), np.int64)) == 1
    alone = np.array([[[4, 5, 0]], [[5, 5, 0]], [[2, 0, 1]], [[10, 0, 9]]])
    np.testing.assert_array_equal(fewer_right(*alone), fewer_right(*alone[..., :1]))
    assert fewer_right(*alone).shape == (1,)
