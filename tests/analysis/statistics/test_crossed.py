"""The interval over models and images: against a slow loop over every pair, and by how often it covers."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.statistics.crossed import crossed_interval


def by_loops(values, weights=1.0):
    """Cameron, Gelbach and Miller's variance of a mean, pair by pair, each part with its own degrees of freedom."""
    models, images = values.shape
    weights = np.broadcast_to(weights, values.shape)
    mean = sum(weights[m, i] * values[m, i] for m in range(models) for i in range(images)) / (models * images)
    centred = values = weights * (values - mean)
    by_model = by_image = both = 0.0
    for row in centred:
        by_model += sum(row) ** 2
    for column in centred.T:
        by_image += sum(column) ** 2
    model = by_model / (models * (models - 1)) / images**2
    image = by_image / (images * (images - 1)) / models**2
    for m in range(models):
        for i in range(images):
            both += (values[m, i] - values[m].mean() - values[:, i].mean() + values.mean()) ** 2
    both /= (models - 1) * (images - 1) * models * images
    image = max(image, 2 * np.mean(weights**2) / images**2)
    variance = max(model + image - both, model, image)
    df = max(variance**2 / (model**2 / (models - 1) + image**2 / (images - 1)), 1)
    half = stats.t.ppf(0.975, df) * math.sqrt(variance)
    return mean, mean - half, mean + half


@pytest.mark.parametrize(("models", "images"), [(2, 2), (2, 30), (3, 50), (12, 40)])
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_loops(models, images, seed):
    values = np.random.default_rng(seed).choice(np.array([-1, 0, 1], np.int8), (models, images), p=[0.3, 0.6, 0.1])
    assert crossed_interval(values) == pytest.approx(by_loops(values.astype(float)), rel=1e-9)


@pytest.mark.parametrize(("models", "images"), [(2, 2), (3, 50), (12, 40)])
def test_weighted_it_agrees_with_loops_and_the_mean_with_copies_of_images(models, images):
    rng = np.random.default_rng(7)
    values = rng.choice(np.array([-1, 0, 1], np.int8), (models, images), p=[0.3, 0.6, 0.1])
    copies = rng.integers(1, 5, images)
    weights = copies / copies.mean()
    found = crossed_interval(values, [weights] * models)
    assert found == pytest.approx(by_loops(values.astype(float), weights), rel=1e-9)
    assert found[0] == pytest.approx(np.repeat(values, copies, axis=1).mean())
    assert crossed_interval(values, [np.ones(images)] * models) == crossed_interval(values)


def test_with_one_model_the_images_are_the_sample():
    values = np.random.default_rng(4).choice(np.array([-1, 0, 1], np.int8), (1, 200))
    mean, low, high = crossed_interval(values)
    expected = stats.ttest_1samp(values[0], 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))


def test_copies_of_a_model_add_nothing():
    values = np.random.default_rng(5).choice(np.array([-1, 0, 1], np.int8), (1, 300))
    one, copies = crossed_interval(values), crossed_interval(np.repeat(values, 12, axis=0))
    assert copies == pytest.approx(one)


@pytest.mark.parametrize("images", [2, 10, 100])
def test_no_change_is_no_certainty(images):
    mean, low, high = crossed_interval(np.zeros((3, images), np.int8))
    assert mean == 0
    assert low == pytest.approx(-high)
    assert high > 1 / images


@pytest.mark.parametrize("shape", [(3, 0), (3, 1), (1, 1), (1, 0)])
def test_without_two_images_there_is_no_interval(shape):
    mean, low, high = crossed_interval(np.ones(shape, np.int8))
    assert math.isnan(low)
    assert math.isnan(high)
    assert mean == 1 if shape[1] else math.isnan(mean)


def test_it_covers_the_mean_over_other_models_and_other_images():
    rng = np.random.default_rng(6)
    covered, models_alone = [], []
    for _ in range(800):
        shift = rng.normal(0, 0.3, (12, 1)) + rng.normal(0, 0.6, (1, 150))
        values = (rng.normal(0, 0.5, (12, 150)) + shift < -0.8).astype(np.int8) * np.int8(-1)
        truth = -stats.norm.cdf(-0.8, 0, math.sqrt(0.3**2 + 0.6**2 + 0.5**2))
        _, low, high = crossed_interval(values)
        covered.append(low < truth < high)
        by_model = values.mean(axis=1)
        models_alone.append(abs(by_model.mean() - truth) < stats.t.ppf(0.975, 11) * stats.sem(by_model))
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(models_alone) < 0.93


def test_it_covers_the_mean_over_classes_of_unlike_sizes():
    rng = np.random.default_rng(8)
    labels = np.repeat(np.arange(10), [150, *[15] * 9])
    weights = len(labels) / (10 * np.bincount(labels)[labels])
    falls = np.linspace(0.02, 0.4, 10)[::-1]
    covered, over_images = [], []
    for _ in range(800):
        share = np.clip(falls[labels] + rng.normal(0, 0.03, (12, 1)), 0, 1)
        values = (rng.random((12, len(labels))) < share).astype(np.int8) * np.int8(-1)
        _, low, high = crossed_interval(values, [weights] * 12)
        covered.append(low < -falls.mean() < high)
        _, low, high = crossed_interval(values)
        over_images.append(low < -falls.mean() < high)
    # Classes are strata of images that are drawn from all, so that the interval is rather too wide.
    assert np.mean(covered) >= 0.93
    assert np.mean(over_images) < 0.5


def test_a_matrix_of_floats_is_never_made():
    rng = np.random.default_rng(9)
    values = rng.choice(np.array([-1, 0, 1], np.int8), (24, 50_000), p=[0.1, 0.85, 0.05])
    weights = [rng.random(50_000)] * 24
    tracemalloc.start()
    try:
        crossed_interval(values, weights)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < values.size * 8 / 3
