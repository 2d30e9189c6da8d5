"""The mixture finds weights and shares from views alone; its probabilities mean what they say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pytest_robustness.analysis.statistics.upright_view import (
    LARGEST_LOG_ODDS,
    MIRROR,
    VIEWS,
    ViewModel,
    bounded,
    fit_views,
    likeliest_bounds,
    log_odds,
    longest_list,
    share_interval,
)
from pytest_robustness.core import Predictions
from pytest_robustness.inference.store.rows import pack, unpack

STORED, VFLIP, TURN180, TURN90, TURN270, HFLIP, *_ = range(8)
# All eight turns of a square, as arrays see them.
TURNS = {
    "control": lambda a: a,
    "vflip": np.flipud,
    "turn180": lambda a: np.rot90(a, 2),
    "turn90": lambda a: np.rot90(a, 1),
    "turn270": lambda a: np.rot90(a, 3),
    "hflip": np.fliplr,
    "vflip+turn90": lambda a: np.rot90(np.flipud(a), 1),
    "vflip+turn270": lambda a: np.rot90(np.flipud(a), 3),
}
ALL = [*TURNS]
SQUARE = np.arange(9).reshape(3, 3)


def then(first: str, second: str) -> str:
    """Return the turn that is ``first``, and then ``second``."""
    both = TURNS[second](TURNS[first](SQUARE))
    return next(name for name, turn in TURNS.items() if np.array_equal(turn(SQUARE), both))


def planted(eight: np.ndarray, rows: np.ndarray, turn: str) -> np.ndarray:
    """Return the views [n, 8] of images with ``eight`` (in the order of ALL), where ``rows`` are stored turned."""
    assert tuple(ALL) == VIEWS
    stored = eight.copy()
    stored[rows] = eight[rows][:, [ALL.index(then(turn, view)) for view in ALL]]
    return stored


def upright_images(n: int, seed: int, *, own: float = 1.0, alike: bool = False, spread: float = 2.0) -> np.ndarray:
    """Draw images [n, 8] of which one view was chosen as the upright one; ``alike``: mirror images give the same."""
    draw = np.random.default_rng(seed)
    eight = draw.normal(0, spread, (n, 8)) + draw.normal(0, 3, (n, 1))
    if alike:
        for view in range(8):
            eight[:, ALL.index(then(ALL[view], "hflip"))] = eight[:, view]
    chosen = [draw.choice(8, p=weights / weights.sum()) for weights in np.exp(own * eight)]
    # Stored upright: what was the chosen view becomes the one of no turn.
    places = [[ALL.index(then(view, other)) for other in ALL] for view in ALL]
    return np.array([row[places[view]] for row, view in zip(eight, chosen, strict=True)])


def likelihood(views: np.ndarray, own: float, mirrored: float, shares: np.ndarray) -> float:
    """Return the log-likelihood by plain loops."""
    total = 0.0
    for row in views:
        weights = [math.exp(own * row[v] + mirrored * row[MIRROR[v]]) for v in range(8)]
        total += math.log(sum(share * weight for share, weight in zip(shares, weights, strict=True)) / sum(weights))
    return total


def prior(own: float, turned: float) -> float:
    return 2 * math.log(1 - turned) - math.log(own) ** 2 / 2


def test_a_mirror_image_is_that_of_the_same_view():
    for view, twin in zip(VIEWS, MIRROR, strict=True):
        assert then(view, "hflip") == VIEWS[twin]


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("turn", ["vflip", "turn90", "turn270"])
def test_weights_and_shares_come_back(turn, alike):
    fit = fit_views(planted(upright_images(2000, 1, alike=alike), np.arange(200), turn))
    back = next(view for view in VIEWS if then(turn, view) == "control")
    assert fit.shares[VIEWS.index(back)] == pytest.approx(0.1, abs=0.03)
    assert fit.turned == pytest.approx(0.1, abs=0.03)
    assert fit.own + fit.mirrored == pytest.approx(1.0, abs=0.15)
    assert fit.shares.sum() == pytest.approx(1)


def test_no_neighbour_is_more_likely():
    views = planted(upright_images(300, 2), np.arange(30), "vflip")
    fit = fit_views(views)
    best = likelihood(views, fit.own, fit.mirrored, fit.shares) + prior(fit.own, fit.turned)
    assert best == pytest.approx(fit.log_likelihood, abs=1e-6)
    for own, ratio, moved in itertools.product((0.97, 1, 1.03), (0.97, 1, 1.03), (-0.005, 0, 0.005)):
        shares = fit.shares.copy()
        shares[VFLIP], shares[STORED] = shares[VFLIP] + moved, shares[STORED] - moved
        there = likelihood(views, fit.own * own, fit.mirrored * ratio, shares) + prior(
            fit.own * own, 1 - shares[STORED]
        )
        assert there <= best + 1e-3


def test_probabilities_are_bayes_rule():
    fit = ViewModel(0.8, 0.3, np.array([0.9, 0.05, 0.0, 0.03, 0.02, 0.0, 0.0, 0.0]), 0.0)
    views = np.random.default_rng(0).normal(0, 2, (5, 8))
    for row, found in zip(views, fit.probabilities(views), strict=True):
        weights = [fit.shares[v] * math.exp(0.8 * row[v] + 0.3 * row[MIRROR[v]]) for v in range(8)]
        assert found == pytest.approx(np.array(weights) / sum(weights))


def test_probabilities_are_as_frequent_as_they_say():
    rows = np.arange(150)
    views = planted(upright_images(3000, 3), rows, "vflip")
    probability = 1 - fit_views(views).probabilities(views)[:, STORED]
    turned = np.zeros(3000, bool)
    turned[rows] = True
    for low, high in itertools.pairwise((0, 0.05, 0.2, 0.5, 0.8, 1.01)):
        within = (probability >= low) & (probability < high)
        error = 3 * math.sqrt(0.25 / within.sum())
        assert turned[within].mean() == pytest.approx(probability[within].mean(), abs=min(0.12, error)), (low, high)


@pytest.mark.slow
def test_the_interval_covers_the_share():
    covered = 0
    for seed in range(20):
        views = planted(upright_images(300, 100 + seed), np.arange(30), "vflip")
        interval = share_interval(views, fit_views(views))
        covered += interval.low <= 0.1 <= interval.high
    assert covered >= 17


def test_nothing_turned_leaves_a_bound():
    lows = []
    for seed in range(5):
        views = upright_images(800, 40 + seed)
        fit = fit_views(views)
        low, high = share_interval(views, fit)
        lows.append(low)
        assert high < 0.04
        assert len(longest_list(1 - fit.probabilities(views)[:, STORED], 0.2)) <= 1
    assert lows.count(0.0) >= 4


def test_models_that_see_no_difference_leave_everything_open():
    views = np.random.default_rng(5).normal(0, 0.01, (200, 8))
    fit = fit_views(views)
    assert share_interval(views, fit).high > 0.5
    assert len(longest_list(1 - fit.probabilities(views)[:, STORED], 0.2)) == 0


def test_a_mirrored_image_is_found_only_by_models_that_notice_it():
    rows = np.arange(50)
    noticed = fit_views(planted(upright_images(1000, 6), rows, "hflip"))
    assert noticed.shares[HFLIP] == pytest.approx(0.05, abs=0.025)
    unnoticed = fit_views(planted(upright_images(1000, 6, alike=True), rows, "hflip"))
    assert unnoticed.shares[HFLIP] == 0


def test_upside_down_is_a_flip_unless_models_tell_the_mirror_image():
    rows = np.arange(50)
    noticed = fit_views(planted(upright_images(1000, 7), rows, "turn180"))
    assert noticed.shares[TURN180] > 0.02 > noticed.shares[VFLIP]
    alike = upright_images(1000, 7, alike=True)
    for turn in ("vflip", "turn180"):
        fit = fit_views(planted(alike, rows, turn))
        assert fit.shares[VFLIP] > 0.02
        assert fit.shares[TURN180] == 0


@pytest.mark.parametrize("turn", ["vflip", "hflip"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.97, 1.0])
def test_the_interval_holds_the_share_from_none_to_all(share, turn):
    """Also where mirrored images are so many that both weights look alike without them."""
    covered = []
    for seed in range(2):
        views = planted(upright_images(400, 60 + seed), np.arange(round(share * 400)), turn)
        fit = fit_views(views)
        low, high = share_interval(views, fit)
        covered.append(low <= share <= high)
        assert fit.mirror_told
        assert low <= fit.turned + 1e-6
        assert high >= min(fit.turned, 0.98) - 1e-6
        assert high - low < 0.2
    assert any(covered)


def test_photographs_are_told_from_their_mirror_images_by_chance_alone():
    """Log-odds that differ by noise between an image and its mirror image say nothing, however many there are."""
    views = upright_images(3000, 9, alike=True, spread=3.0) + np.random.default_rng(9).normal(0, 0.7, (3000, 8))
    fit = fit_views(views)
    assert not fit.mirror_told
    assert fit.shares[HFLIP] == 0


@pytest.mark.parametrize("false_share", [0.0, 0.1, 0.2, 0.5])
def test_the_list_is_the_longest_that_is_pure_enough(false_share):
    probability = np.random.default_rng(8).beta(0.3, 0.6, 60)
    ranked = sorted(probability, reverse=True)
    lengths = [k for k in range(1, 61) if sum(1 - p for p in ranked[:k]) / k <= false_share and ranked[k - 1] >= 0.5]
    listed = longest_list(probability, false_share)
    assert len(listed) == max(lengths, default=0)
    assert probability[listed].tolist() == ranked[: len(listed)]


def test_log_odds_survive_the_store():
    """Halves of logarithms keep log-odds to a fifteenth up to 12, and to a hundredth of their size below zero."""
    expected = np.linspace(-16, 12, 500)
    p = (1 / (1 + np.exp(-expected))).astype(np.float32)
    zero = np.zeros(500, np.int32)
    stored = unpack(pack(Predictions(zero, p, p, p, zero)), 500)
    error = np.abs(log_odds(stored.true_probability) - expected)
    assert error[expected > 0].max() < 1 / 15
    assert error[expected <= 0].max() < 0.01
    assert log_odds(np.array([0.0, 1.0], np.float32)).tolist() == pytest.approx([-16.6355, 16.6355], abs=1e-3)


def test_bounded_log_odds_keep_their_order_and_their_middle():
    values = np.linspace(-40, 40, 801)
    found = bounded(values, (8.0, 4.0))
    assert np.all(np.diff(found) >= 0)
    assert (found.min(), found.max()) == pytest.approx((-8, 4), abs=1e-6)
    middle = (values > -4) & (values < 0)
    assert found[middle] == pytest.approx(values[middle], abs=0.02)


def test_differences_where_the_label_is_recognized_in_both_views_do_not_count_where_images_say_so():
    """Brooms lie in any direction: high log-odds in all views, which differ by far."""
    by_model = upright_images(1000, 12, spread=3.0)[None]
    by_model -= by_model.max(axis=2, keepdims=True) - 1
    assert likeliest_bounds(by_model)[0] >= 8
    brooms = np.random.default_rng(3).uniform(5, 16, (400, 8))
    mixed = np.concatenate([by_model, brooms[None]], axis=1)
    low, high = likeliest_bounds(mixed)
    assert high < LARGEST_LOG_ODDS

    def listed(views):
        return longest_list(1 - fit_views(views).probabilities(views)[:, STORED], 0.2)

    assert len(listed(bounded(mixed, (low, high)).mean(axis=0))) <= 2 < len(listed(mixed.mean(axis=0)))
