"""Accuracy learnt from signs: against least squares done otherwise, transforms left out by hand, and drawn worlds."""

import numpy as np
import pytest
from scipy import optimize, special

from pytest_robustness.analysis.statistics.accuracy_regression import (
    AccuracyModel,
    Conditions,
    Regression,
    chosen_signs,
    obstacle,
)
from pytest_robustness.analysis.statistics.unlabelled_accuracy import SIGNS

AGREEMENT, SPREAD, SHIFT = (SIGNS.index(name) for name in ("agreement", "spread", "shift"))
PAIR = ("agreement", "spread")


def drawn(rng, transforms=9, severities=4, noise=0.2, apart=0.1):
    """Draw conditions whose log odds of accuracy follow agreement and spread, with noise by transform and condition."""
    names = tuple(f"t{i}" for i in range(transforms) for _ in range(severities))
    signs = rng.uniform(0.3, 1.0, (len(names), len(SIGNS)))
    odds = -4 + 4 * signs[:, AGREEMENT] + 3 * signs[:, SPREAD] + rng.normal(0, noise, len(names))
    odds += np.repeat(rng.normal(0, apart, transforms), severities)
    return Conditions(signs, special.expit(odds), names)


def test_the_regression_minimizes_the_penalized_squares_of_the_log_odds():
    conditions = drawn(np.random.default_rng(0))
    x = conditions.signs[:, [AGREEMENT, SPREAD]]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    odds = np.log((conditions.accuracy + 0.005) / (1.005 - conditions.accuracy))

    def loss(w):
        return np.square(odds - w[0] - z @ w[1:]).sum() + 0.3 * np.square(w[1:]).sum()

    best = optimize.minimize(loss, np.zeros(3), tol=1e-12).x
    found = Regression.of(conditions, PAIR)
    np.testing.assert_allclose(found.weights, best, atol=1e-4)
    shares = special.expit(best[0] + z @ best[1:])
    np.testing.assert_allclose(found.accuracy(conditions.signs), np.clip(shares * 1.01 - 0.005, 0, 1), atol=1e-4)


def test_the_signs_that_accuracy_follows_are_chosen():
    for seed in range(10):
        conditions = drawn(np.random.default_rng(seed), noise=0.02)
        assert set(chosen_signs(conditions)) >= set(PAIR)
        alone = conditions.signs.copy()
        alone[:, AGREEMENT] = np.nan
        assert "agreement" not in chosen_signs(conditions._replace(signs=alone))


def test_held_out_estimates_know_nothing_of_their_transform():
    conditions = drawn(np.random.default_rng(1))
    model = AccuracyModel.of(conditions)
    for name in set(conditions.transforms):
        here = np.array([other == name for other in conditions.transforms])
        rest = conditions.where(~here)
        expected = Regression.of(rest, chosen_signs(rest)).accuracy(conditions.signs[here])
        np.testing.assert_allclose(model.held_out[here], expected)
        # Whatever the accuracies of a transform were, its own estimates would be the same.
        other = conditions._replace(accuracy=np.where(here, 0.5, conditions.accuracy))
        np.testing.assert_allclose(AccuracyModel.of(other).held_out[here], expected)
    assert model.rmse == pytest.approx(np.sqrt(np.mean((model.held_out - conditions.accuracy) ** 2)))


def test_errors_are_those_of_samples_as_large_as_the_images_in_question():
    conditions = drawn(np.random.default_rng(4))
    noise = np.random.default_rng(5).normal(0, 0.03, conditions.signs.shape)
    samples = conditions._replace(signs=conditions.signs + noise, accuracy=conditions.accuracy + noise[:, 0])
    exact, sampled = AccuracyModel.of(conditions), AccuracyModel.of(conditions, samples)
    np.testing.assert_array_equal(sampled.regression.weights, exact.regression.weights)
    for fold, regression in sampled.without:
        np.testing.assert_allclose(sampled.held_out[fold], regression.accuracy(samples.signs[fold]))
    assert sampled.rmse == pytest.approx(np.sqrt(np.mean((sampled.held_out - samples.accuracy) ** 2)))
    assert sampled.rmse > exact.rmse
    widths = [np.diff(model.interval(conditions.signs[0], 0.9))[0] for model in (exact, sampled)]
    assert widths[0] < widths[1]


def test_the_interval_is_that_of_the_definition():
    rng = np.random.default_rng(2)
    conditions, signs = drawn(rng), rng.uniform(0.3, 1.0, len(SIGNS))
    model = AccuracyModel.of(conditions)
    lower, upper = [], []
    for i, name in enumerate(conditions.transforms):
        rest = conditions.where(np.array([other != name for other in conditions.transforms]))
        value = Regression.of(rest, chosen_signs(rest)).accuracy(signs[None])[0]
        error = abs(model.held_out[i] - conditions.accuracy[i])
        lower.append(value - error)
        upper.append(value + error)
    rank = int(np.ceil(0.9 * (len(lower) + 1)))
    assert model.interval(signs, 0.9) == pytest.approx((max(sorted(lower)[-rank], 0), min(sorted(upper)[rank - 1], 1)))


@pytest.mark.slow
def test_the_interval_holds_the_accuracy_under_a_new_transform_as_often_as_it_says():
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        world = drawn(rng, transforms=10)
        new = np.array([name == "t9" for name in world.transforms])
        model = AccuracyModel.of(world.where(~new))
        for signs, accuracy in zip(world.signs[new], world.accuracy[new], strict=True):
            low, high = model.interval(signs, 0.9)
            inside.append(low <= accuracy <= high)
    # 160 estimates, of which four have a transform in common: nominal 90 %, less about two standard errors.
    assert 0.83 <= np.mean(inside) <= 0.99


def test_what_lies_outside_of_what_was_fitted_is_said():
    conditions = drawn(np.random.default_rng(3), noise=0.02)
    model = AccuracyModel.of(conditions)
    assert all(model.beyond(signs) == () for signs in conditions.signs)
    inside = conditions.signs.mean(axis=0)
    low, high = conditions.signs.min(axis=0), conditions.signs.max(axis=0)
    for sign in model.regression.signs:
        column = SIGNS.index(sign)
        for end, way in ((low, -1), (high, 1)):
            for share, expected in ((0.04, ()), (0.06, (sign,))):
                signs = inside.copy()
                signs[column] = end[column] + way * share * (high - low)[column]
                assert model.beyond(signs) == expected
    unused = next(i for i, name in enumerate(SIGNS) if name not in model.regression.signs)
    signs = inside.copy()
    signs[unused] = 5.0
    assert model.beyond(signs) == ()


def test_signs_that_do_not_go_together_as_those_fitted_are_unusual():
    rng = np.random.default_rng(6)
    conditions = drawn(rng, noise=0.02)
    # Spread follows agreement, as where a harm draws the answers to few classes.
    signs = conditions.signs.copy()
    signs[:, SPREAD] = signs[:, AGREEMENT] + rng.normal(0, 0.02, len(signs))
    model = AccuracyModel.of(conditions._replace(signs=signs))
    apart = signs.mean(axis=0)
    apart[[AGREEMENT, SPREAD]] = signs[:, AGREEMENT].max(), signs[:, SPREAD].min()
    assert model.unusual(apart)
    assert model.beyond(apart) == ()
    # Mahalanobis's distance of what a parabola in the log odds of the estimate leaves of each sign, with a ridge.
    odds = special.logit((model.regression.accuracy(signs) + 0.005) / 1.01)
    left = np.column_stack([column - np.polyval(np.polyfit(odds, column, 2), odds) for column in signs.T])
    products = left.T @ left
    products += 0.3 * np.trace(products) / len(SIGNS) / len(left) * np.eye(len(SIGNS))
    far = [float(row @ np.linalg.inv(products) @ row) for row in left]
    assert model.company.distance(signs).tolist() == pytest.approx(far, rel=1e-3)
    assert np.mean([model.unusual(row) for row in signs]) <= 0.1


@pytest.mark.parametrize(
    ("transforms", "enough"),
    [
        (["a"] * 20, False),
        (["a", "b", "c", "d"] * 5, False),
        (["a", "b", "c", "d", "e"] * 2, False),
        (["a", "b", "c", "d", "e", "f"] * 2, True),
    ],
)
def test_few_conditions_are_refused(transforms, enough):
    text = obstacle(transforms)
    assert (text == "") == enough
    if not enough:
        assert text == (
            f"{len(transforms)} conditions of {len(set(transforms))} transforms are too few to learn accuracy from: "
            f"it takes 12 of 5"
        )
