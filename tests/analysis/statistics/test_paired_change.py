"""Intervals of paired changes: against both approximations worked out independently, and by their own properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from pytest_robustness.analysis.statistics.paired_change import (
    PairedChange,
    images_to_decide,
    interval,
    p_above,
    p_below,
    rounded_up,
)


def change(lost, gained, n):
    n = max(n, 1)
    return PairedChange(np.array([lost / n]), np.array([gained / n]), np.array([float(n)]))


def tango(lost, gained, n, bound):
    """Tango's z with half an image of correction: the null's likelihood is maximized numerically."""

    def log_likelihood(p_lost):
        p_gained = p_lost + bound
        cells = ((lost, p_lost), (gained, p_gained), (n - lost - gained, 1 - p_lost - p_gained))
        return -sum(k * math.log(max(p, 1e-300)) for k, p in cells if k)

    low, high = max(0.0, -bound), (1 - bound) / 2
    inner = optimize.minimize_scalar(log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    p_lost = min((low, inner, high), key=log_likelihood)
    deviation = (gained - lost) / n - bound
    deviation = math.copysign(max(abs(deviation) - 1 / (2 * n), 0), deviation)
    return deviation / math.sqrt((2 * p_lost + bound - bound**2) / n)


def bonett_price(lost, gained, n, bound):
    p_lost, p_gained = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    difference = p_gained - p_lost
    return (difference - bound) / math.sqrt((p_lost + p_gained - difference**2) / (n + 2))


CASES = [(1, 5, 50), (5, 1, 50), (2, 9, 40), (12, 3, 80), (40, 38, 1000), (3, 1, 10), (0, 6, 30), (600, 500, 10_000)]


@pytest.mark.parametrize(("lost", "gained", "n"), CASES)
@pytest.mark.parametrize("bound", [-0.2, -0.05, 0.02, 0.1, 0.3])
def test_p_is_the_more_cautious_of_tango_and_of_bonett_and_price(lost, gained, n, bound):
    zs = tango(lost, gained, n, bound), bonett_price(lost, gained, n, bound)
    found = change(lost, gained, n)
    below, above = (max(tail(z) for z in zs) for tail in (stats.norm.cdf, stats.norm.sf))
    # Above one half nothing is shown, and the correction of half an image stops at 0.
    assert min(p_below(found, bound)[0], 0.5) == pytest.approx(min(below, 0.5), rel=1e-5, abs=1e-12)
    assert min(p_above(found, bound)[0], 0.5) == pytest.approx(min(above, 0.5), rel=1e-5, abs=1e-12)


def test_it_gives_a_published_interval():
    # Approval of a leader in two surveys of 1,600 people (Agresti, Categorical Data Analysis, section on matched
    # pairs): 150 turned away and 86 came; the 95 % interval is -0.06 to -0.02.
    (low,), (high,) = interval(change(150, 86, 1600), 0.025)
    assert (round(low, 2), round(high, 2)) == (-0.06, -0.02)


@pytest.mark.parametrize(("lost", "gained", "n"), CASES)
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_interval_ends_where_the_one_sided_tests_begin_to_reject(lost, gained, n, alpha):
    found = change(lost, gained, n)
    (low,), (high,) = interval(found, alpha)
    assert low <= (gained - lost) / n <= high
    assert p_below(found, high)[0] == pytest.approx(alpha, abs=1e-6)
    assert p_above(found, low)[0] == pytest.approx(alpha, abs=1e-6)


counts = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300)).filter(any)


@settings(deadline=None)
@given(counts, st.sampled_from([0.01, 0.05, 0.2]))
def test_exchanging_lost_and_gained_mirrors_the_interval(count, alpha):
    lost, gained, _ = count
    (low,), (high,) = interval(change(lost, gained, sum(count)), alpha)
    (mirrored_low,), (mirrored_high,) = interval(change(gained, lost, sum(count)), alpha)
    assert (low, high) == pytest.approx((-mirrored_high, -mirrored_low), abs=1e-8)
    assert -1 <= low <= high <= 1


@settings(deadline=None)
@given(counts, st.floats(-0.9, 0.9), st.floats(0.001, 0.5))
def test_p_falls_as_the_bound_moves_away(count, bound, step):
    found = change(count[0], count[1], sum(count))
    assert p_below(found, bound + step)[0] <= p_below(found, bound)[0] + 1e-12
    assert p_above(found, bound - step)[0] <= p_above(found, bound)[0] + 1e-12


@settings(deadline=None)
@given(counts, st.sampled_from([0.5, 0.02, -0.02, 0.1, -0.3]), st.sampled_from([0.01, 0.05]))
def test_with_as_many_images_as_are_needed_the_tests_decide(count, bound, alpha):
    found = change(count[0], count[1], sum(count))

    def decided(images):
        more = PairedChange(found.lost, found.gained, np.array([images]))
        return p_below(more, bound)[0] < alpha or p_above(more, bound)[0] < alpha

    (needed,) = images_to_decide(found, bound, alpha)
    if abs(found.value[0] - bound) < 1e-6:
        assert needed > 1e6
        return
    assert decided(needed * 1.001)
    assert not decided(needed * 0.999)


def test_at_the_bound_itself_no_number_of_images_decides():
    assert images_to_decide(change(0, 5, 10), 0.5, 0.05).tolist() == [math.inf]
    assert images_to_decide(change(5, 3, 100), -0.02, 0.05)[0] > 1e12


@pytest.mark.parametrize(
    ("needed", "said"),
    [(0.3, 1), (61.0, 61), (149.2, 150), (18641.4, 19_000), (9_999_999.0, 10_000_000), (1.1e7, None)],
)
def test_a_number_of_images_is_said_to_two_digits_or_called_impractical(needed, said):
    assert rounded_up(needed) == said
    assert rounded_up(math.inf) is rounded_up(math.nan) is None


def test_no_change_among_few_images_is_no_certainty():
    for n in (3, 10, 30, 100, 1000):
        (low,), (high,) = interval(change(0, 0, n), 0.05)
        assert -low == pytest.approx(high)
        # The rule of three: 0 of n are compatible with 3 of n.
        assert high >= 0.98 * (1 - 0.05 ** (1 / n))


def test_without_images_everything_is_possible():
    none = PairedChange(np.zeros(1), np.zeros(1), np.zeros(1))
    assert [bound.tolist() for bound in interval(none, 0.05)] == [[-1], [1]]
    assert (p_below(none, 0.5)[0], p_above(none, -0.5)[0]) == (1, 1)


def test_classes_of_one_size_are_one_sample():
    rng = np.random.default_rng(0)
    lost, gained = rng.integers(0, 4, (2, 20, 10))
    found = PairedChange.of_classes(lost, gained, np.full((20, 10), 9))
    np.testing.assert_allclose(found.images, 90)
    np.testing.assert_allclose(found.lost, lost.sum(axis=1) / 90)
    np.testing.assert_allclose(found.value, (gained - lost).sum(axis=1) / 90, atol=1e-12)


def test_classes_without_images_do_not_count():
    lost, gained, n = np.array([[3, 0, 1]]), np.array([[1, 0, 0]]), np.array([[20, 0, 30]])
    some = PairedChange.of_classes(lost, gained, n)
    without = PairedChange.of_classes(lost[:, ::2], gained[:, ::2], n[:, ::2])
    assert np.array(some) == pytest.approx(np.array(without))
    none = PairedChange.of_classes(np.zeros((1, 3), int), np.zeros((1, 3), int), np.zeros((1, 3), int))
    assert (none.value[0], none.images[0]) == (0, 0)


def test_classes_of_several_sizes_count_equally_and_have_the_variance_of_their_mean():
    rng = np.random.default_rng(1)
    n = np.array([[40, 400, 1500]])
    lost = rng.binomial(n, 0.1)
    found = PairedChange.of_classes(lost, 0 * lost, n)
    shares = lost[0] / n[0]
    assert found.lost[0] == pytest.approx(shares.mean())
    weight = 1 / (3 * 40)
    variance = (shares / n[0]).sum() / 9 + 2 * weight**2
    assert found.lost[0] / found.images[0] + 2 / found.images[0] ** 2 == pytest.approx(variance)


def test_what_a_small_class_did_not_lose_says_little():
    n = np.array([[5, 1000, 1000, 1000], [500, 1000, 1000, 1000]])
    none = np.zeros((2, 4), int)
    low, _ = interval(PairedChange.of_classes(none, none, n), 0.05)
    # A class of five images that loses 45 % of them loses none in one run of twenty: 11 points of the mean.
    assert low[0] < -(1 - 0.05 ** (1 / 5)) / 4
    assert low[1] > -0.01


def rates(rng, sizes, shares_lost, runs, margin):
    """How often a drop of just the margin is called smaller, and larger."""
    n = np.broadcast_to(np.array(sizes), (runs, len(sizes)))
    lost = rng.binomial(n, shares_lost)
    found = PairedChange.of_classes(lost, np.zeros_like(lost), n)
    return [np.mean(p < 0.05) for p in (p_above(found, -margin), p_below(found, -margin))]


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([20] * 10, [0.02] * 10),
        ([20] * 10, [0.2] + [0] * 9),
        ([89] * 10, [0.2] + [0] * 9),
        ([5] + [500] * 9, [0.2] + [0] * 9),
        ([5] + [500] * 9, [0.02] * 10),
        ([3, 30, 300, 3000], [0.08, 0, 0, 0]),
        ([3, 30, 300, 3000], [0, 0, 0, 0.08]),
        ([1, 1, 400], [0.06, 0, 0]),
    ],
)
def test_a_drop_of_the_margin_seldom_passes_whatever_the_sizes_and_wherever_it_lies(sizes, shares):
    passed, failed = rates(np.random.default_rng(2), sizes, shares, 4000, np.mean(shares))
    assert passed <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)
    assert failed <= 0.1
