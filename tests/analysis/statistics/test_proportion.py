"""Intervals of a share of images: the exact one against the binomial tests that it inverts, Wilson's against SciPy."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from pytest_robustness.analysis.statistics.proportion import images_to_decide, proportion, wilson


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(("count", "n"), [(0, 1), (0, 300), (1, 1), (3, 200), (17, 40), (299, 300), (300, 300)])
def test_each_end_is_where_a_one_sided_binomial_test_begins_to_reject(count, n, alpha):
    found = proportion(count, n, alpha)
    assert found.value == count / n
    for end, alternative in ((found.low, "greater"), (found.high, "less")):
        if end in (0.0, 1.0):
            assert count == n * end
            continue
        inside, outside = (end + 1e-6, end - 1e-6) if alternative == "greater" else (end - 1e-6, end + 1e-6)
        assert stats.binomtest(count, n, outside, alternative=alternative).pvalue < alpha
        assert stats.binomtest(count, n, inside, alternative=alternative).pvalue > alpha


def test_without_images_every_share_is_possible():
    found = proportion(0, 0, 0.05)
    assert (found.low, found.high) == (0.0, 1.0)
    assert math.isnan(found.value)
    assert images_to_decide(found, 0.01, 0.05) == math.inf


def test_a_share_at_the_bound_is_never_decided():
    assert images_to_decide(proportion(2, 200, 0.05), 0.01, 0.05) == math.inf


@pytest.mark.parametrize(("count", "n", "bound"), [(0, 100, 0.01), (1, 200, 0.02), (5, 100, 0.02), (3, 100, 0.02)])
def test_as_many_images_decide_and_fewer_do_not(count, n, bound):
    """Samples with the same share, larger and larger: the first whose interval lies on one side of the bound."""
    alpha, needed = 0.05, images_to_decide(proportion(count, n, 0.05), bound, 0.05)

    def decides(times):
        grown = proportion(count * times, n * times, alpha)
        return grown.high < bound or grown.low > bound

    first = next(times for times in range(1, 1000) if decides(times))
    assert (first - 1) * n < needed <= first * n


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (333, 1000)])
def test_wilsons_interval_is_that_of_scipy(right, n):
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson([right / n], [n]) == (
        pytest.approx([expected.low], abs=1e-12),
        pytest.approx([expected.high], abs=1e-12),
    )
