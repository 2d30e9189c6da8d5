"""What the images show is what a loop over them, scipy and statsmodels say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis.image_evidence import ChangedImages, class_images, model_changes
from pytest_robustness.analysis.predictions import Answers
from pytest_robustness.analysis.statistics import mcnemar

SIZES = (40, 0, 7, 200, 1)


def drawn(seed, models, drop=0.1):
    """Answers of models to images of five classes: one has none, one a single image; some cannot be read."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(5), SIZES))
    pairs = []
    for _ in range(models):
        readable = rng.random((2, len(labels))) > 0.01
        control = rng.random(len(labels)) < 0.8
        treated = control & (rng.random(len(labels)) > drop) | (rng.random(len(labels)) < 0.02)
        pairs.append((Answers(readable[0], control & readable[0]), Answers(readable[1], treated & readable[1])))
    return labels, pairs


def by_loop(labels, pairs):
    """Return the images of each class as their changes over the models: a list for each class."""
    changes = [[] for _ in range(5)]
    for i, label in enumerate(labels):
        if all(answers.readable[i] for pair in pairs for answers in pair):
            changes[label].append([int(after.correct[i]) - int(before.correct[i]) for before, after in pairs])
    return changes


@pytest.mark.parametrize("models", [1, 2, 12])
def test_classes_are_a_family_of_sign_flip_tests(models):
    labels, pairs = drawn(models, models)
    found = class_images(ChangedImages.between(pairs, labels), 5, 0.05)
    changes = by_loop(labels, pairs)
    read = [all(answers.readable[k] for pair in pairs for answers in pair) for k in range(len(labels))]
    rng = np.random.default_rng(0)
    tested = [i for i, images in enumerate(changes) if images]
    for i in tested:
        sums = np.array(changes[i]).sum(axis=1)
        assert found[i].n == len(sums)
        assert found[i].difference == pytest.approx(100 * sums.sum() / (len(sums) * models))
        patterns = rng.choice([-1, 1], (4_000, len(sums))) @ sums
        share = np.mean(np.abs(patterns) >= abs(sums.sum()))
        assert found[i].p_value == pytest.approx(share, abs=4 * math.sqrt(max(share, 1e-3) / 4_000))
        # Had all models lost all images that some got right, beside the other classes as they are.
        right = sum(labels[k] == i and any(a.correct[k] for a, _ in pairs) for k in range(len(labels)) if read[k])
        assert found[i].right == right
        best = [2 * 0.5**right if j == i else found[j].p_value for j in tested]
        assert found[i].blind is not bool(multipletests(best, method="holm")[1][tested.index(i)] < 0.05)
        assert found[i].pooled.low < found[i].pooled.value < found[i].pooled.high
        assert found[i].pooled.low >= -100
        assert found[i].pooled.high <= 100
    adjusted = multipletests([found[i].p_value for i in tested], method="holm")[1]
    assert [found[i].p_adjusted for i in tested] == pytest.approx(adjusted)
    assert found[1].n == 0
    assert found[1].blind
    assert math.isnan(found[1].p_adjusted)
    assert not found[1].significant(1.0)


def test_with_one_model_the_class_test_is_mcnemars():
    labels, pairs = drawn(3, 1, drop=0.3)
    found = class_images(ChangedImages.between(pairs, labels), 5, 0.05)
    for i, images in enumerate(by_loop(labels, pairs)):
        if images:
            lost, gained = images.count([-1]), images.count([1])
            expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1
            assert found[i].p_value == pytest.approx(expected, rel=1e-9)


def test_a_model_counts_its_classes_equally():
    labels, pairs = drawn(4, 3)
    changes = model_changes([ChangedImages.between([pair], labels) for pair in pairs], 5, alpha=0.05, margin=2.0)
    for pair, found in zip(pairs, changes, strict=True):
        by_class = [[change for (change,) in images] for images in by_loop(labels, [pair]) if images]
        every = [change for images in by_class for change in images]
        assert (found.n, found.lost, found.gained) == (len(every), every.count(-1), every.count(1))
        assert found.difference == pytest.approx(100 * np.mean([np.mean(images) for images in by_class]))
        both = pair[0].readable & pair[1].readable
        assert found.p_value == pytest.approx(mcnemar(pair[0].correct[both], pair[1].correct[both]).p_value)
        assert found.low < found.difference < found.high
        assert found.level == 90


def test_many_models_do_not_overflow():
    labels = np.repeat([0, 1], 60)
    sums = np.where(labels == 0, -3000, 0).astype(np.int16)
    lost, kept = class_images(ChangedImages(sums, labels, 3000), 2, 0.05)
    assert (lost.difference, kept.difference) == (-100, 0)
    assert lost.p_value == pytest.approx(2 * 0.5**60)
    assert kept.p_value == 1


def test_without_any_image_nothing_is_known():
    none = ChangedImages(np.empty(0, np.int16), np.empty(0, np.int64), 2)
    assert [found.n for found in class_images(none, 3, 0.05)] == [0, 0, 0]
    (found,) = model_changes([none], 3, alpha=0.05, margin=2.0)
    assert (found.n, found.low, found.high, found.p_value) == (0, -100, 100, 1)
    assert math.isnan(found.needed)


def counted(lost, gained, n, times=1):
    """Return the changes of one model that lost and gained so many images of each class, ``times`` over."""
    kept = np.subtract(n, np.add(lost, gained))
    kinds = np.column_stack([lost, kept, gained]).ravel()
    labels, sums = np.repeat(np.arange(len(n)), 3), np.tile([-1, 0, 1], len(n))
    return ChangedImages(np.repeat(sums, times * kinds).astype(np.int16), np.repeat(labels, times * kinds), 1)


def decided(change, margin):
    return change.within(margin) or change.beyond(margin)


UNEVEN = ([0, 0, 0, 0, 1, 0, 0, 0, 10, 0], [0] * 8 + [1, 0], [3, 5, 8, 12, 20, 30, 45, 60, 80, 0])


def test_as_many_times_the_images_of_classes_that_differ_in_size_decide():
    (found,) = model_changes([counted(*UNEVEN)], 10, alpha=0.05, margin=2.0)
    assert not decided(found, 2.0)
    verdicts = {
        times: decided(model_changes([counted(*UNEVEN, times)], 10, alpha=0.05, margin=2.0)[0], 2.0)
        for times in (1, 20, 60, 70, 71, 72, 80, 200)
    }
    assert [times for times, sure in verdicts.items() if sure] == [71, 72, 80, 200]
    assert 70 < found.needed / found.n <= 71
    assert found.over_classes


def test_the_images_needed_are_where_the_interval_begins_to_decide():
    rng = np.random.default_rng(5)
    checked = 0
    for churn in np.tile([0.02, 0.1, 0.3], 40):
        n = rng.integers(0, 60, 6)
        lost = rng.binomial(n, churn)
        gained = rng.binomial(n - lost, churn / 2)
        (found,) = model_changes([counted(lost, gained, n)], 6, alpha=0.05, margin=5.0)
        # An interval that decides has as many images as decide; the plan goes by that.
        assert (found.needed <= found.n) == decided(found, 5.0)
        times = found.needed / found.n
        if times < 100:
            more, fewer = math.ceil(times), math.floor(times)
            (above,) = model_changes([counted(lost, gained, n, more)], 6, alpha=0.05, margin=5.0)
            assert decided(above, 5.0)
            if 1 <= fewer < times:
                (below,) = model_changes([counted(lost, gained, n, fewer)], 6, alpha=0.05, margin=5.0)
                assert not decided(below, 5.0)
            checked += 1
    assert checked > 60


@pytest.mark.parametrize(("sizes", "uneven"), [((9, 9, 9), False), ((9, 0, 9), False), ((9, 8, 9), True)])
def test_a_mean_over_classes_of_one_size_is_no_other_figure_than_top_1(sizes, uneven):
    (found,) = model_changes([counted((3, 0, 1), (0, 0, 2), sizes)], 3, alpha=0.05, margin=2.0)
    assert found.over_classes is uneven
    assert (found.difference == pytest.approx(100 * -2 / sum(sizes))) is not uneven


def test_a_class_that_is_shown_to_change_is_not_blind_however_small():
    # Holm steps down: beside nine classes that are lost whole, eight images are enough, and beside none ten.
    sizes = [30] * 9 + [8, 8]
    lost = class_images(counted([30] * 9 + [8, 0], [0] * 11, sizes), 11, 0.05)
    assert [found.significant(0.05) for found in lost] == [True] * 10 + [False]
    assert [found.blind for found in lost] == [False] * 11
    kept = class_images(counted([0] * 9 + [8, 0], [0] * 11, sizes), 11, 0.05)
    assert [found.blind for found in kept] == [False] * 9 + [True, True]


@pytest.mark.parametrize("models", [1, 2, 12])
@pytest.mark.parametrize(("classes", "n", "lost"), [(20, 20, 12), (100, 50, 28), (1000, 50, 28), (100, 20, 20)])
def test_what_to_expect_of_the_one_class_that_falls_is_what_its_own_images_say(classes, n, lost, models):
    rng = np.random.default_rng(classes + models)
    labels, position = np.repeat(np.arange(classes), n), np.tile(np.arange(n), classes)
    # All models lose the same images of class 7; in each of them an image in a hundred changes otherwise.
    changes = rng.choice(np.array([-1, 0, 1], np.int16), (models, len(labels)), p=[0.005, 0.99, 0.005])
    changes[:, labels == 7] = np.where(position[labels == 7] < lost, -1, 0)
    found = class_images(ChangedImages(changes.sum(axis=0, dtype=np.int16), labels, models), classes, 0.05)
    assert min(range(classes), key=lambda i: found[i].pooled.value) == 7
    exact = stats.binomtest(lost, n).proportion_ci(0.9)
    pooled = found[7].pooled
    assert -100 * exact.high - 3 < pooled.low <= pooled.value < pooled.high < -100 * exact.low + 3
    assert pooled.value == pytest.approx(found[7].difference, abs=4)
    others = [found[i].pooled.value for i in range(classes) if i != 7]
    assert max(map(abs, others)) < 3


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize(("right", "blind"), [(0, True), (7, True), (8, True), (9, False), (20, False)])
def test_a_class_is_blind_where_too_few_of_its_images_are_right_to_show_their_loss(models, right, blind):
    # Of ten classes of 20 images each one is right on so few, in any model; the first two models share them.
    labels, place = np.repeat(np.arange(10), 20), np.tile(np.arange(20), 10)
    every = np.ones(200, np.bool_)
    some = [(labels != 7) | (place < right) & (place % models == m) for m in range(models)]
    kept = class_images(ChangedImages.between([(Answers(every, r), Answers(every, r)) for r in some], labels), 10, 0.05)
    assert [found.blind for found in kept] == [i == 7 and blind for i in range(10)]
    assert [found.right for found in kept] == [right if i == 7 else 20 for i in range(10)]
    gone = [(Answers(every, r), Answers(every, r & (labels != 7))) for r in some]
    lost = class_images(ChangedImages.between(gone, labels), 10, 0.05)[7]
    assert lost.significant(0.05) is not blind
    # A rise can be shown by images that were wrong; the class is then not blind.
    risen = [(Answers(every, r), Answers(every, every)) for r in some]
    rose = class_images(ChangedImages.between(risen, labels), 10, 0.05)[7]
    assert rose.blind is (blind and not rose.significant(0.05))


def test_images_that_models_count_in_classes_of_their_own_are_right_in_these():
    rng = np.random.default_rng(3)
    own = [rng.integers(0, 4, 60) for _ in range(3)]
    every = np.ones(60, np.bool_)
    pairs = [(Answers(every, rng.random(60) < 0.5), Answers(every, rng.random(60) < 0.5)) for _ in own]
    found = class_images(ChangedImages.in_own_classes(pairs, own), 4, 0.05)
    for c in range(4):
        expected = {
            i for (before, _), of in zip(pairs, own, strict=True) for i in range(60) if of[i] == c and before.correct[i]
        }
        assert found[c].right == len(expected)
