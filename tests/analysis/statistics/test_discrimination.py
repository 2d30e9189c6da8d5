"""AUROC against scikit-learn, Kolmogorov-Smirnov against SciPy, p-values and intervals against simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import roc_auc_score

from pytest_robustness.analysis.statistics.discrimination import (
    Discrimination,
    PairedScores,
    auroc,
    auroc_interval,
    discriminate,
    kolmogorov_smirnov,
    log_odds,
    mean_scores,
)

GENERATOR = np.random.default_rng(7)


def halves(n: int, seed: int) -> np.ndarray:
    """Return probabilities as the store gives them back: logarithms of half precision, so that ties are common."""
    logs = np.log(np.random.default_rng(seed).beta(5, 1, n)).astype(np.float16)
    return np.exp(logs.astype(np.float32))


GROUPS = {
    "continuous": (GENERATOR.normal(0, 1, 300), GENERATOR.normal(0.5, 2, 300)),
    "halves": (halves(5000, 1), halves(5000, 2)),
    "many ties": (GENERATOR.integers(0, 4, 200), GENERATOR.integers(1, 5, 200)),
    "two images": (np.array([0.2, 0.9]), np.array([0.9, 0.1])),
    "constant": (np.full(5, 0.5), np.full(5, 0.5)),
    "one constant": (np.full(5, 0.5), np.array([0.1, 0.5, 0.5, 0.7, 0.9])),
    "apart": (np.arange(10), np.arange(10) + 10),
    "all but infinite": (np.array([0.0, 1e-300, 1.0]), np.array([1e300, 1e-300, 0.0])),
}


@pytest.mark.parametrize("name", GROUPS)
def test_auroc_is_that_of_scikit_learn(name):
    control, treated = GROUPS[name]
    expected = roc_auc_score([0] * len(control) + [1] * len(treated), np.concatenate([control, treated]))
    scores = PairedScores.of(control, treated)
    assert auroc(scores) == pytest.approx(expected, abs=1e-9)
    assert discriminate(scores, alpha=0.05).auroc == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", GROUPS)
def test_the_kolmogorov_smirnov_statistic_is_that_of_scipy(name):
    control, treated = GROUPS[name]
    expected = stats.ks_2samp(control, treated, method="asymp").statistic
    assert kolmogorov_smirnov(PairedScores.of(control, treated), seed=0)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", GROUPS)
def test_exchanging_the_groups_mirrors_the_auroc_and_its_interval(name):
    control, treated = GROUPS[name]
    pairs = PairedScores.of(control, treated), PairedScores.of(treated, control)
    one, other = (discriminate(pair, alpha=0.05) for pair in pairs)
    assert (other.auroc, other.low, other.high) == pytest.approx((1 - one.auroc, 1 - one.high, 1 - one.low), abs=1e-12)
    assert kolmogorov_smirnov(pairs[0], seed=0) == kolmogorov_smirnov(pairs[1], seed=0)
    assert one.low <= one.auroc <= one.high


def test_the_p_of_swaps_is_close_to_that_of_all_swaps():
    control, treated = GENERATOR.normal(0, 1, 10), GENERATOR.normal(0.8, 1, 10)
    observed = stats.ks_2samp(control, treated).statistic
    all_swaps = np.array(list(itertools.product([False, True], repeat=10)))
    distances = [
        stats.ks_2samp(np.where(swap, treated, control), np.where(swap, control, treated)).statistic
        for swap in all_swaps
    ]
    exact = np.mean(np.array(distances) >= observed - 1e-12)
    _, p = kolmogorov_smirnov(PairedScores.of(control, treated), seed=3)
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 1000) + 0.001)


def paired(generator, n, shift, correlation, step=0.0):
    """Return scores that correlate, normal or rounded to ``step``."""
    shared, *own = generator.standard_normal((3, n))
    control, treated = (math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * noise for noise in own)
    groups = control, treated + shift
    return PairedScores.of(*(np.round(group / step) * step if step else group for group in groups))


@pytest.mark.parametrize(("correlation", "step"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.5)])
def test_p_values_are_uniform_where_nothing_changed(correlation, step):
    generator = np.random.default_rng(11)
    p = np.array([kolmogorov_smirnov(paired(generator, 60, 0.0, correlation, step), seed=i)[1] for i in range(400)])
    # The statistic has few values, so p is uniform but for its steps: never too small, and seldom too large.
    for level in (0.05, 0.1, 0.5):
        error = math.sqrt(level * (1 - level) / len(p))
        assert np.mean(p <= level) < level + 3 * error
    assert np.mean(p <= 0.1) > 0.1 - 3 * math.sqrt(0.09 / len(p)) - 0.03


def test_the_table_of_kolmogorov_and_smirnov_does_not_hold_for_paired_scores():
    generator = np.random.default_rng(12)
    scores = [paired(generator, 60, 0.0, 0.9) for _ in range(300)]
    assert np.mean([stats.ks_2samp(*pair).pvalue <= 0.5 for pair in scores]) < 0.05


@pytest.mark.parametrize("n", [5, 30, 200])
@pytest.mark.parametrize(
    ("shift", "correlation", "step"),
    [(0.0, 0.0, 0.0), (0.36, 0.9, 0.0), (1.0, 0.5, 0.5), (2.5, 0.0, 0.0), (1.0, -0.9, 0.0)],
)
def test_the_interval_covers_the_true_auroc(n, shift, correlation, step):
    generator = np.random.default_rng(13)
    if correlation < 0:

        def draw(images):
            control, treated = paired(generator, images, 0.0, -correlation, step)
            return PairedScores.of(control, shift - treated)
    else:

        def draw(images):
            return paired(generator, images, shift, correlation, step)

    # Two large draws beside each other: independent images.
    true = auroc(PairedScores.of(draw(100_000).control, draw(100_000).treated))
    found = [auroc_interval(draw(n), alpha=0.05) for _ in range(400)]
    assert np.mean([low <= true <= high for low, high in found]) >= 0.92


def test_pairing_narrows_the_interval_where_both_scores_of_an_image_are_alike():
    generator = np.random.default_rng(14)
    alike = discriminate(paired(generator, 500, 0.1, 0.99), alpha=0.05)
    unlike = discriminate(paired(generator, 500, 0.1, 0.0), alpha=0.05)
    assert alike.high - alike.low < (unlike.high - unlike.low) / 3


@pytest.mark.parametrize("n", [2, 10, 100])
def test_scores_that_did_not_change_leave_an_interval_with_a_width(n):
    scores = np.random.default_rng(0).random(n)
    pair = PairedScores.of(scores, scores)
    found = discriminate(pair, alpha=0.05)
    assert (found.auroc, *kolmogorov_smirnov(pair, seed=0)) == (0.5, 0.0, 1.0)
    assert found.high - 0.5 == pytest.approx(0.5 - found.low)
    assert found.high - 0.5 > 0.9 / n
    assert found.within(0.6) is (n == 100)


@pytest.mark.parametrize(
    ("control", "treated", "n"),
    [([], [], 0), ([0.5], [0.6], 1), ([math.nan] * 3, [0.1, 0.2, 0.3], 0), ([0.1, math.nan], [math.nan, 0.2], 0)],
)
def test_fewer_than_two_images_show_nothing(control, treated, n):
    pair = PairedScores.of(control, treated)
    found = discriminate(pair, alpha=0.05)
    assert found.n == n
    assert {found.conclusive, found.beyond(0.6), found.within(0.6)} == {False}
    assert all(math.isnan(figure) for figure in (found.auroc, found.low, found.high, *kolmogorov_smirnov(pair, seed=0)))


def test_an_image_without_one_of_its_scores_is_left_out_of_both_groups():
    scores = PairedScores.of([0.1, math.nan, 0.3, 0.4], [0.2, 0.3, math.nan, 0.5])
    assert [group.tolist() for group in scores] == [[0.1, 0.4], [0.2, 0.5]]


@pytest.mark.parametrize(("control", "treated"), [([0.1], [0.1, 0.2]), ([[0.1]], [[0.2]])])
def test_groups_of_different_shapes_are_refused(control, treated):
    with pytest.raises(ValueError, match="must have one shape"):
        PairedScores.of(control, treated)


@pytest.mark.parametrize(
    ("low", "high", "beyond", "within"),
    [
        (0.61, 0.7, True, False),
        (0.59, 0.7, False, False),
        (0.45, 0.55, False, True),
        (0.2, 0.39, True, False),
        (0.3, 0.7, False, False),
    ],
)
def test_an_interval_lies_beyond_a_bound_on_either_side(low, high, beyond, within):
    found = Discrimination(10, (low + high) / 2, low, high)
    assert (found.beyond(0.6), found.within(0.6)) == (beyond, within)
    assert found.oriented.auroc >= 0.5
    assert found.oriented.beyond(0.6) is beyond


def test_log_odds_are_those_of_scipy_but_for_the_ends():
    p = np.array([0.01, 0.5, 0.999, 1.0, 0.0, math.nan])
    found = log_odds(p)
    assert found[:3] == pytest.approx(special.logit(p[:3]))
    assert found[3] == pytest.approx(-found[4]) == pytest.approx(24 * math.log(2))
    assert math.isnan(found[5])


def test_the_mean_over_models_weighs_them_alike():
    control, treated = GENERATOR.normal(0, 1, (2, 3, 50))
    alone = mean_scores([(control[0], treated[0])])
    scaled = mean_scores([(100 * control[0] + 7, 100 * treated[0] + 7)])
    assert np.allclose(alone, scaled)
    z = [stats.zscore(np.concatenate([control[i], treated[i]])) for i in range(3)]
    assert np.allclose(np.concatenate(mean_scores(zip(control, treated, strict=True))), np.mean(z, axis=0))


def test_a_model_without_variation_adds_nothing_and_an_image_that_one_lacks_has_no_mean():
    control, treated = np.array([1.0, 2.0, math.nan]), np.array([2.0, 3.0, 9.0])
    means = mean_scores([(control, treated), (np.full(3, 0.5), np.full(3, 0.5))])
    expected = stats.zscore([1.0, 2.0, 2.0, 3.0]) / 2
    assert means[0][:2] == pytest.approx(expected[:2])
    assert means[1][:2] == pytest.approx(expected[2:])
    assert PairedScores.of(*means).control.shape == (2,)
    with pytest.raises(ValueError, match="at least one model"):
        mean_scores([])


def test_many_models_are_no_more_images():
    generator = np.random.default_rng(15)
    rejected = 0
    for i in range(300):
        scores = paired(generator, 40, 0.0, 0.5)
        copies = [(s.control, s.treated) for s in [scores] * 5]
        rejected += kolmogorov_smirnov(PairedScores.of(*mean_scores(copies)), seed=i)[1] <= 0.05
    assert rejected <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)
