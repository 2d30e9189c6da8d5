"""Signs of accuracy without labels: as their papers define them, image by image, and by their own properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_robustness.analysis.statistics.unlabelled_accuracy import (
    SIGNS,
    Answered,
    Reference,
    atc_threshold,
    mean_signs,
)

CLASSES = 4


def answered(seed, images=300, agreement=True):
    rng = np.random.default_rng(seed)
    shares = rng.random((images, 3)) < 0.7 if agreement else None
    return Answered(
        rng.choice(CLASSES, images, p=rng.dirichlet(np.full(CLASSES, 2.0))),
        rng.beta(4, 1.5, images),
        None if shares is None else shares.mean(axis=1),
    )


def in_control(seed=0):
    given = answered(seed)
    right = np.random.default_rng(seed + 100).random(len(given.classes)) < given.confidence
    return given, right, Reference.of(given, right, CLASSES)


@pytest.mark.parametrize("seed", range(10))
def test_the_signs_are_those_that_a_loop_over_the_images_finds(seed):
    control, right, reference = in_control()
    given = answered(seed + 1)
    sure = sum(given.confidence) / len(given.confidence)
    # Garg et al., section 3: the threshold below which as many source images lie as are wrong; the share above it.
    wrong = sum(not yes for yes in right)
    thresholds = [t for t in control.confidence if sum(c < t for c in control.confidence) == wrong]
    above = sum(c >= thresholds[0] for c in given.confidence) / len(given.confidence)
    counts = [sum(c == k for c in given.classes) for k in range(CLASSES)]
    before = [sum(c == k for c in control.classes) for k in range(CLASSES)]
    spread = stats.entropy(counts, base=CLASSES)
    shift = sum(abs(a / len(given.classes) - b / len(control.classes)) for a, b in zip(counts, before, strict=True)) / 2
    assert reference.signs(given).tolist() == pytest.approx([sure, above, spread, shift, np.mean(given.agreement)])
    # Guillory et al., section 3.3: the source's accuracy less the difference of the average confidences.
    expected = sum(right) / len(right) - (sum(control.confidence) / len(control.confidence) - sure)
    assert reference.difference_of_confidences(given) == pytest.approx(expected)
    assert reference.atc(given) == pytest.approx(above)


def test_in_control_every_published_estimate_but_the_average_confidence_is_the_accuracy():
    for seed in range(20):
        control, right, reference = in_control(seed)
        assert reference.atc(control) == pytest.approx(right.mean())
        assert reference.difference_of_confidences(control) == pytest.approx(right.mean())
        signs = dict(zip(SIGNS, reference.signs(control), strict=True))
        assert signs["shift"] == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_no_more_scores_lie_below_the_threshold_than_answers_are_wrong(images):
    scores, right = (np.array(column) for column in zip(*images, strict=True))
    threshold = atc_threshold(scores, right)
    wrong = np.count_nonzero(~right)
    assert np.count_nonzero(scores < threshold) <= wrong
    assert np.count_nonzero(scores <= threshold) > wrong or wrong == len(right) == np.count_nonzero(scores < math.inf)


def test_without_other_models_there_is_no_agreement():
    *_, reference = in_control()
    signs = reference.signs(answered(3, agreement=False))
    assert math.isnan(signs[SIGNS.index("agreement")])
    assert np.isfinite(np.delete(signs, SIGNS.index("agreement"))).all()


def test_the_order_of_the_images_does_not_matter():
    *_, reference = in_control()
    given = answered(4)
    order = np.random.default_rng(0).permutation(len(given.classes))
    np.testing.assert_allclose(reference.signs(given.at(order)), reference.signs(given))


def test_signs_of_more_images_are_averaged_over_samples_of_the_size_asked_for():
    *_, reference = in_control()
    given = answered(5, images=1000)
    small = mean_signs(reference, given, 50, np.random.default_rng(0))
    order = np.random.default_rng(0).permutation(1000)
    each = [reference.signs(given.at(order[start : start + 50])) for start in range(0, 1000, 50)]
    np.testing.assert_allclose(small, np.mean(each, axis=0))
    # In small samples the answers spread less than in all: samples of two sizes would not compare.
    spread = SIGNS.index("spread")
    assert small[spread] < reference.signs(given)[spread] - 0.005
    np.testing.assert_allclose(mean_signs(reference, given, 2000, np.random.default_rng(0)), reference.signs(given))
