"""ECE and Brier score against plain loops."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from pytest_robustness.analysis.statistics.calibration import calibration


def by_loops(confidence, correct, bins):
    """Return ECE and Brier score: equal-mass bins, the right answers of a tied group spread evenly over its images."""
    images = sorted(zip(confidence.tolist(), correct.tolist(), strict=True))
    n = len(images)
    shares = []
    for sure, _ in images:
        group = [right for other, right in images if other == sure]
        shares.append(Fraction(sum(group), len(group)))
    bins = min(bins, n)
    sizes = [n // bins + (place < n % bins) for place in range(bins)]
    ece, start = 0.0, 0
    for size in sizes:
        part = range(start, start + size)
        ece += abs(float(sum(shares[i] for i in part)) - sum(images[i][0] for i in part)) / n
        start += size
    return ece, sum((sure - right) ** 2 for sure, right in images) / n


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "bins"), [(1, 15), (7, 15), (15, 15), (40, 15), (301, 15), (100, 10), (100, 1)])
def test_ece_and_brier_score_are_those_of_loops(n, bins, ties):
    generator = np.random.default_rng(n)
    confidence = generator.beta(5, 2, n)
    if ties:
        confidence = np.round(confidence, 1)
    correct = generator.random(n) < confidence
    found = calibration(confidence, correct, bins=bins)
    ece, brier = by_loops(confidence, correct, bins)
    assert (found.ece, found.brier) == pytest.approx((ece, brier), abs=1e-12)
    assert found.brier == pytest.approx(brier_score_loss([*correct, True], [*confidence, 1.0]) * (n + 1) / n)
    assert (found.n, found.confidence, found.accuracy) == pytest.approx((n, confidence.mean(), correct.mean()))
    assert found.bins.images.sum() == n
    assert np.ptp(found.bins.images) <= 1
    assert (np.diff(found.bins.confidence) > -1e-12).all()


def test_the_order_of_images_changes_nothing():
    generator = np.random.default_rng(0)
    confidence, correct = np.round(generator.random(200), 1), generator.random(200) < 0.5
    shuffled = generator.permutation(200)
    one, other = calibration(confidence, correct), calibration(confidence[shuffled], correct[shuffled])
    assert one.ece == pytest.approx(other.ece)
    assert np.allclose(one.bins.accuracy, other.bins.accuracy)


def test_a_model_that_is_right_as_often_as_it_says_is_calibrated_and_a_sure_wrong_one_is_not():
    generator = np.random.default_rng(1)
    confidence = generator.beta(5, 2, 100_000)
    assert calibration(confidence, generator.random(100_000) < confidence).ece < 0.01
    wrong = calibration(np.ones(50), np.zeros(50))
    assert (wrong.ece, wrong.brier) == (1.0, 1.0)


def test_skipped_images_do_not_count_and_without_images_there_are_no_figures():
    found = calibration([0.5, math.nan, 0.9], [True, True, False])
    assert (found.n, found.accuracy) == (2, 0.5)
    for confidence in ([], [math.nan, math.nan]):
        empty = calibration(confidence, [False] * len(confidence))
        assert empty.n == 0
        assert not empty.bins.images.size
        assert all(math.isnan(figure) for figure in (empty.confidence, empty.accuracy, empty.ece, empty.brier))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="must have one shape"):
        calibration([0.5, 0.6], [True])
    with pytest.raises(ValueError, match=r"bins is 0\. Valid: a whole number from 1"):
        calibration([0.5], [True], bins=0)
