"""The sign-flip test is what trying every pattern of signs says, and with one model the binomial test."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis.statistics.sign_flips import change_sizes, fewest_significant, sign_flip_p


def p_of(sums, models):
    """The p of one class whose images changed by ``sums``."""
    sums = np.array(sums, np.int16)
    (p,) = sign_flip_p(*change_sizes(sums, np.zeros(len(sums), np.int64), 1, models))
    return p


def by_all_patterns(sums):
    """The share of the patterns of signs whose total is as far from 0."""
    patterns = np.array(list(itertools.product((-1, 1), repeat=len(sums))))
    return np.mean(np.abs(patterns @ np.array(sums)) >= abs(sum(sums)))


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 12).flatmap(lambda m: st.tuples(st.just(m), st.lists(st.integers(-m, m), min_size=1, max_size=10)))
)
def test_p_is_that_of_all_patterns_of_signs(drawn):
    models, sums = drawn
    assert p_of(sums, models) == pytest.approx(by_all_patterns(sums), rel=1e-10)


@pytest.mark.parametrize("changed", [1, 2, 9, 100, 999, 5000, 40_000])
def test_with_one_model_it_is_the_binomial_test(changed):
    for lost in {0, 1, changed // 10, changed // 3, changed // 2, (changed + math.isqrt(changed)) // 2}:
        sizes, total = np.array([[7, changed]]), np.array([changed - 2 * lost])
        expected = stats.binomtest(lost, changed).pvalue
        (p,) = sign_flip_p(sizes, total)
        # No p is 0: it is never below the smallest float.
        assert p == pytest.approx(max(expected, np.finfo(float).tiny), rel=1e-9)


def test_classes_do_not_touch_one_another():
    rng = np.random.default_rng(0)
    images = np.array([0, 1, 3, 40, 900, 5, 12, 3000])
    labels = np.repeat(np.arange(8), images)
    sums = rng.integers(-6, 6, len(labels)).astype(np.int16)
    together = sign_flip_p(*change_sizes(sums, labels, 8, 6))
    assert together[0] == 1
    alone = [p_of(sums[labels == c], 6) for c in range(1, 8)]
    np.testing.assert_allclose(together[1:], alone, rtol=1e-9)


def test_the_order_of_the_images_and_the_sign_of_all_do_not_matter():
    rng = np.random.default_rng(1)
    sums = rng.integers(-3, 5, 200)
    assert p_of(rng.permutation(sums), 4) == p_of(-sums, 4) == p_of(sums, 4)


def test_it_agrees_with_draws_of_signs():
    rng = np.random.default_rng(2)
    sums = rng.integers(-9, 11, 300)
    totals = rng.choice([-1, 1], (40_000, 300)) @ sums
    drawn = np.mean(np.abs(totals) >= abs(sums.sum()))
    assert p_of(sums, 12) == pytest.approx(drawn, abs=4 * math.sqrt(drawn / 40_000))


def test_a_large_class_of_many_models_tends_to_the_normal():
    rng = np.random.default_rng(3)
    sums = np.clip(rng.binomial(12, 0.3, 30_000) * rng.choice([-1, 1], 30_000, p=[0.508, 0.492]), -12, 12)
    z = sums.sum() / math.sqrt(np.square(sums).sum())
    assert p_of(sums, 12) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.02)


def test_unchanged_classes_and_no_classes():
    assert sign_flip_p(np.array([[5, 0], [0, 0]]), np.zeros(2, np.int64)).tolist() == [1, 1]
    assert sign_flip_p(np.zeros((0, 3), np.int64), np.zeros(0, np.int64)).shape == (0,)


def test_changes_are_counted_by_class_and_size():
    sums, labels = np.array([2, -2, 0, 1, -1, -1], np.int16), np.array([0, 0, 0, 2, 2, 2])
    sizes, total = change_sizes(sums, labels, 4, 2)
    assert sizes.tolist() == [[1, 0, 2], [0, 0, 0], [0, 3, 0], [0, 0, 0]]
    assert total.tolist() == [0, 0, -1, 0]


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.0625, 0.2])
@pytest.mark.parametrize("tests", [1, 2, 10, 1000])
def test_one_image_less_than_the_fewest_is_never_significant(alpha, tests):
    fewest = fewest_significant(alpha, np.ones(tests))
    assert p_of([-3] * fewest, 3) * tests < alpha <= p_of([-3] * (fewest - 1), 3) * tests


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(1, 14), st.integers(0, 14)), min_size=1, max_size=12),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_a_class_has_too_few_images_exactly_where_losing_them_all_would_not_be_significant(drawn, alpha):
    images = np.array([n for n, _ in drawn])
    p = np.array([stats.binomtest(0, min(lost, n)).pvalue if min(lost, n) else 1.0 for n, lost in drawn])
    fewest = fewest_significant(alpha, p)
    for i, n in enumerate(images):
        # Of this class all images are lost, the other classes stay as they are.
        best = np.where(np.arange(len(p)) == i, 2 * 0.5**n, p)
        could = multipletests(best, method="holm")[1][i] < alpha
        assert (n >= fewest) == could
