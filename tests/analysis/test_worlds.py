"""Small worlds in which a loss is plain, or nothing can be known: none of them passes silently."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.baseline.candidate import compare_models
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.image_test import image_test
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel

BEND = Condition("bend")
FAIL, OPEN, PASS = Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS
IMAGE_RULES = ("strict", "margin")


class World:
    """Answers of models to the same images, in control and under one condition.

    ``control`` and ``treated`` are bool [models, images], or [images] for one model.
    """

    def __init__(self, labels, control, treated, classes=None, readable=None):
        self.labels = np.asarray(labels, np.int64)
        self.class_names = tuple(f"c{i}" for i in range(classes or int(self.labels.max()) + 1))
        control, treated = np.atleast_2d(control), np.atleast_2d(treated)
        self.models = tuple(f"m{i}" for i in range(len(control)))
        readable = np.ones(len(self.labels), np.bool_) if readable is None else readable
        self.given = {}
        for model, before, after in zip(self.models, control, treated, strict=True):
            self.given[Cell(model, CONTROL)] = Answers(readable, before & readable)
            self.given[Cell(model, BEND)] = Answers(readable, after & readable)

    @property
    def distinct(self):
        return np.ones(len(self.labels), np.bool_)

    def labels_of(self, model):
        return self.labels

    def answers(self, cell):
        return self.given[cell]

    def counts(self, cell):
        return counts_of(self.given[cell], self.labels, len(self.class_names))

    def class_test(self, **policy):
        return class_test(self, Panel(BEND, self.models), TestPolicy(**policy))

    def model_tests(self, **policy):
        return model_tests(self, self.models, BEND, TestPolicy(**policy))

    def outcomes(self, **policy):
        return {test.verdict.outcome for test in self.model_tests(**policy).values()}


def classes_of(classes, images):
    return np.repeat(np.arange(classes), images)


def right(seed, models, images, share=0.9, spread=0.05):
    """Answers of models of different strength, which agree on what is easy."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 1, images)
    strength = stats.norm.ppf(share) * math.sqrt(1.25) + rng.normal(0, spread * 4, (models, 1))
    return ease + rng.normal(0, 0.5, (models, images)) + strength > 0


def losing_classes(models, classes, images, lost, seed=0):
    """Return a world where the classes ``lost`` are never right under the condition, and nothing else changes."""
    labels = classes_of(classes, images)
    control = right(seed, models, len(labels), 0.95)
    return World(labels, control, control & ~np.isin(labels, lost))


@pytest.mark.parametrize("test", ["independent", "welch", "paired"])
@pytest.mark.parametrize("sizes", [(500, 501), (490, 510), (300, 700), (490, 500, 510)])
def test_an_image_lost_in_each_class_fails_no_model_whatever_the_sizes(test, sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    control = np.ones(len(labels), np.bool_)
    treated = control.copy()
    treated[np.unique(labels, return_index=True)[1]] = False
    (found,) = World(labels, control, treated).model_tests(test=test).values()
    assert found.verdict.outcome is Outcome.PASS
    assert found.result.p_value == stats.binomtest(0, len(sizes)).pvalue


@pytest.mark.parametrize("test", ["independent", "welch", "paired"])
@pytest.mark.parametrize("rule", IMAGE_RULES)
@pytest.mark.parametrize(
    ("models", "classes", "images", "lost"),
    [
        (12, 10, 100, [7, 8]),
        (12, 10, 100, [3]),
        (3, 100, 20, [0, 50]),
        (1, 10, 30, [9]),
        (2, 4, 12, [1]),
        (12, 2, 10, [0]),
    ],
)
def test_a_class_that_is_lost_whole_is_never_explained_away(models, classes, images, lost, rule, test):
    found = losing_classes(models, classes, images, lost).class_test(verdict=rule, test=test)
    assert found.verdict.outcome is FAIL
    assert {f"c{i}" for i in lost} == {finding.name for finding in found.beyond}
    assert all(name in found.verdict.reason for name in (f"c{i} -" for i in lost))


def test_the_article_explains_two_of_ten_classes_by_chance():
    found = losing_classes(12, 10, 100, [7, 8]).class_test(verdict="article")
    assert (found.verdict.outcome, len(found.sensitive)) == (PASS, 2)
    assert "within the 2 allowed" in found.verdict.reason


@pytest.mark.parametrize("rule", IMAGE_RULES)
@pytest.mark.parametrize(
    ("models", "classes", "images", "drop"),
    [(12, 2, 449, 0.25), (12, 3, 300, 0.1), (1, 2, 500, 0.12), (5, 10, 100, 0.08), (2, 100, 10, 0.09)],
)
def test_a_fall_of_the_whole_fails_however_few_the_classes(models, classes, images, drop, rule):
    labels = classes_of(classes, images)
    control = right(1, models, len(labels), 0.9)
    treated = control & (np.random.default_rng(2).random(control.shape) > drop)
    assert World(labels, control, treated).outcomes(verdict=rule) == {FAIL}


def change_of(lost, gained, n, classes, seed=0):
    """Return a world of one model that lost and gained so many images, anywhere."""
    kinds = np.random.default_rng(seed).permutation(np.repeat([2, 1, 0], [lost, gained, n - lost - gained]))
    kept = np.random.default_rng(seed + 1).random(n) < 0.8
    return World(np.arange(n) % classes, (kinds == 2) | ((kinds == 0) & kept), (kinds == 1) | ((kinds == 0) & kept))


@pytest.mark.parametrize(
    ("lost", "gained", "n", "classes", "p"),
    [
        # Cats and dogs under a zoom, and one model of twelve under brightness.
        (27, 8, 120, 2, 0.0019),
        (48, 2, 890, 10, 2.2e-12),
        (60, 10, 900, 3, 8e-10),
        (300, 100, 5000, 1000, 5e-24),
    ],
)
@pytest.mark.parametrize("rule", IMAGE_RULES)
def test_what_mcnemar_shows_beyond_the_margin_fails(lost, gained, n, classes, p, rule):
    world = change_of(lost, gained, n, classes)
    (found,) = world.model_tests(verdict=rule).values()
    assert (found.change.lost, found.change.gained, found.change.n) == (lost, gained, n)
    assert found.change.p_value == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)
    assert found.change.p_value == pytest.approx(p, rel=0.5)
    assert found.verdict.outcome is FAIL


@pytest.mark.parametrize("margin", [0.1, 2.0, 10.0])
@pytest.mark.parametrize("rule", IMAGE_RULES)
@pytest.mark.parametrize(("classes", "images"), [(10, 1), (2, 5), (5, 3), (1, 1)])
def test_no_change_among_few_images_is_inconclusive(classes, images, rule, margin):
    labels = classes_of(classes, images)
    for share in (0.0, 0.6, 1.0):
        same = np.random.default_rng(3).random((3, len(labels))) < share
        world = World(labels, same, same)
        for found in world.model_tests(verdict=rule, margin=margin).values():
            assert found.verdict.outcome is OPEN
            assert found.change.low < -margin
            assert found.change.high > margin
            assert found.change.needed > found.change.n
        assert world.class_test(verdict=rule).verdict.outcome is OPEN


@pytest.mark.parametrize("rule", IMAGE_RULES)
def test_constant_groups_claim_no_certainty(rule):
    # All models are right on all five images of both classes in control, and on four of them treated.
    labels = classes_of(2, 5)
    control = np.ones((12, 10), np.bool_)
    world = World(labels, control, np.tile(np.arange(10) % 5 > 0, (12, 1)))
    for test in world.model_tests(verdict=rule).values():
        assert test.result.constant
        assert test.result.p_value == pytest.approx(stats.binomtest(2, 2).pvalue)
        assert test.result.ci_high != test.result.ci_low
        assert math.isnan(test.result.detectable_drop)
        assert test.verdict.outcome is OPEN
    found = world.class_test(verdict=rule)
    assert [finding.result.p_value for finding in found.classes] == pytest.approx([1.0] * 2)
    assert found.verdict.outcome is OPEN


@pytest.mark.parametrize("rule", IMAGE_RULES)
@pytest.mark.parametrize(
    ("models", "classes", "images"), [(1, 10, 8), (12, 10, 8), (3, 1000, 15), (1, 2, 6), (2, 1, 5)]
)
@pytest.mark.parametrize("correction", ["none", "holm"])
def test_classes_of_which_nothing_could_be_shown_do_not_pass(models, classes, images, rule, correction):
    # All but one of the classes are lost whole: with so few images, no outcome could be significant.
    found = losing_classes(models, classes, images, list(range(1, classes)), seed=5)
    verdict = found.class_test(verdict=rule, correction=correction).verdict
    assert verdict.outcome is not PASS
    if rule == "margin":
        assert verdict.outcome is OPEN
        assert f"{classes:,} of {classes:,} classes have fewer than {images + 1} images" in verdict.reason


@pytest.mark.parametrize("images", [1, 10, 20, 100])
def test_a_gate_on_few_images_that_did_not_change_is_inconclusive(images):
    same = {CONTROL: np.ones(images, np.bool_), BEND: np.arange(images) % 3 > 0}
    found = compare_models(same, same, labels=np.zeros(images, np.int64), classes=["any"], policy=GatePolicy())
    assert [one.verdict.outcome for one in found.conditions] == [OPEN, OPEN]
    assert found.verdict.outcome is OPEN


def gate_outcomes(seed, runs, images, churn, drop, conditions=1):
    """Return the outcomes of every condition of every run of the gate: [runs][conditions]."""
    rng = np.random.default_rng(seed)
    names = [CONTROL, *(Condition(f"t{i}") for i in range(1, conditions))]
    outcomes = []
    for _ in range(runs):
        kinds = rng.choice(3, (conditions, images), p=[churn / 2 + drop, churn / 2, 1 - churn - drop])
        baseline = dict(zip(names, kinds != 1, strict=True))
        candidate = dict(zip(names, kinds != 0, strict=True))
        found = compare_models(
            baseline, candidate, labels=np.zeros(images, np.int64), classes=["any"], policy=GatePolicy()
        )
        outcomes.append([one.verdict.outcome for one in found.conditions])
    return outcomes


def share_with(outcomes, outcome):
    return np.mean([outcome in run for run in outcomes])


@pytest.mark.parametrize(
    ("images", "churn", "drop"), [(20, 0.0, 0.1), (20, 0.1, 0.1), (100, 0.02, 0.05), (50, 0.0, 0.01)]
)
def test_a_gate_on_few_images_seldom_passes_a_loss(images, churn, drop):
    assert share_with(gate_outcomes(6, 150, images, churn, drop), PASS) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize("drop", [0.005, 0.009, 0.01])
def test_a_drop_within_the_tolerance_fails_one_gate_in_twenty_at_most(drop):
    outcomes = gate_outcomes(7, 25, 10_000, 0.1, drop, conditions=10)
    assert share_with(outcomes, FAIL) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 25)
    # The same loss of three points would be seen.
    assert share_with(gate_outcomes(7, 4, 10_000, 0.1, drop + 0.02, conditions=10), FAIL) == 1


@pytest.mark.parametrize(("models", "classes", "images"), [(12, 10, 89), (2, 10, 40), (12, 3, 30), (5, 30, 20)])
def test_unchanged_classes_are_seldom_significant_however_much_the_models_agree(models, classes, images):
    labels = classes_of(classes, images)
    rng = np.random.default_rng(8)
    control = right(9, models, len(labels), 0.8)
    # A fall that all models share: which images are hard is the same for all of them.
    treated = control & (rng.random(len(labels)) > 0.3) & (rng.random(control.shape) > 0.05)
    found = 0
    for _ in range(150):
        swapped = rng.random(len(labels)) < 0.5
        world = World(labels, np.where(swapped, treated, control), np.where(swapped, control, treated))
        found += any(finding.images.significant(0.05) for finding in world.class_test(verdict="margin").classes)
    assert found / 150 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_images_that_some_model_could_not_read_do_not_count():
    labels = classes_of(2, 300)
    control = right(10, 3, 600)
    treated = control & (np.random.default_rng(11).random(600) > 0.2)
    readable = np.arange(600) % 3 > 0
    some = World(labels, control, treated, readable=readable)
    cut = World(labels[readable], control[:, readable], treated[:, readable])
    assert some.model_tests() == cut.model_tests()
    assert some.class_test() == cut.class_test()


@pytest.mark.parametrize("rule", ["strict", "article", "margin"])
def test_without_a_readable_image_nothing_passes(rule):
    none = World([0, 1, 1], np.ones((2, 3), bool), np.ones((2, 3), bool), readable=np.zeros(3, np.bool_))
    assert none.outcomes(verdict=rule) == {OPEN}
    assert none.class_test(verdict=rule).verdict.outcome is OPEN
    assert image_test(none, Cell("m0", BEND), TestPolicy(verdict=rule)).verdict.outcome is OPEN


@pytest.mark.parametrize("rule", IMAGE_RULES)
def test_an_image_test_says_what_the_model_test_says_of_the_images(rule):
    world = change_of(48, 2, 890, 10)
    found = image_test(world, Cell("m0", BEND), TestPolicy(verdict=rule))
    assert found.verdict.outcome is FAIL
    assert found.change == world.model_tests()["m0"].change
    same = World(world.labels, np.ones(890, bool), np.ones(890, bool))
    assert image_test(same, Cell("m0", BEND), TestPolicy(verdict=rule)).verdict.outcome is PASS


@pytest.mark.parametrize("rule", ["strict", "article", "margin"])
def test_a_sound_model_on_enough_images_passes(rule):
    labels = classes_of(10, 89)
    control = right(12, 12, 890)
    flipped = np.random.default_rng(13).random(control.shape) < 0.005
    world = World(labels, control, control ^ flipped)
    assert world.outcomes(verdict=rule) == {PASS}
    assert world.class_test(verdict=rule).verdict.outcome is PASS


def test_small_classes_make_a_mean_over_classes_uncertain():
    sizes = np.array([4, *[300] * 9])
    labels = np.repeat(np.arange(10), sizes)
    same = np.ones(len(labels), np.bool_)
    (found,) = World(labels, same, same).model_tests(verdict="margin").values()
    # The class of four could have lost half its images unseen, 5 points of the mean.
    assert found.verdict.outcome is OPEN
    assert found.change.low < -3
