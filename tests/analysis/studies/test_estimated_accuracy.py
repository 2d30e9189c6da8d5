"""The study of estimated accuracy, on drawn answers: figures, verdicts, refusals, and the same finding again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.statistics.accuracy_regression import AccuracyModel, Conditions
from pytest_robustness.analysis.statistics.unlabelled_accuracy import SIGNS, Answered, Reference
from pytest_robustness.analysis.studies.estimated_accuracy import EstimatedAccuracy
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel, Preprocess
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.run_log import RunLog, StudyRequest
from pytest_robustness.inference.store.store import Store
from pytest_robustness.transforms import builtin
from tests.stored import predictions, put_answers, put_images

MODELS = ("ann", "bob", "cy")
CLASSES = ("bird", "cat", "dog", "eel")
IMAGES = 400
LABELS = np.arange(IMAGES) % len(CLASSES)
# The outputs of each model that stand for the four classes; each has two more.
OUTPUTS = {"ann": (0, 1, 2, 3), "bob": (5, 4, 3, 2), "cy": (1, 0, 3, 2)}
CONDITIONS = [Condition(n, s) for n in builtin().names() for s in builtin().get(n).severities or (None,)]


def answers(rng, skill, labels=LABELS):
    """Draw the answers of the models to images, more often right the higher the skill, which all have in common."""
    ease = rng.normal(0, 1, len(labels))
    found = {}
    for model in MODELS:
        odds = skill + ease + rng.normal(0, 0.5, len(labels))
        right = rng.random(len(labels)) < expit(odds)
        others = (labels + rng.integers(1, len(CLASSES), len(labels))) % len(CLASSES)
        # What harms a model draws its answers to a class of its own.
        drawn = np.where(rng.random(len(labels)) < 0.5, 0, others)
        wrong = np.where(drawn == labels, others, drawn)
        answered = np.array(OUTPUTS[model])[np.where(right, labels, wrong)]
        found[model] = answered, expit(np.abs(odds) / 2 + 0.5).astype(np.float32)
    return found


class Unlabelled:
    """Images without labels whose answers were drawn."""

    name = "folder:new"

    def __init__(self, log, given, broken=(), distinct=None):
        self.log = log
        self.given = given
        self.broken = broken
        self.chosen = distinct

    def distinct(self, model):
        return np.ones(len(self.given[model][0]), np.bool_) if self.chosen is None else self.chosen

    def compute(self, models):
        self.log.unlabelled |= {model: "new" for model in models if model not in self.broken}

    def answers(self, model):
        answered, confidence = self.given[model]
        return predictions(answered, confidence, np.full(len(answered), np.nan, np.float32))


class World:
    def __init__(self, path, models=MODELS, conditions=CONDITIONS):
        self.rng = np.random.default_rng(7)
        self.log = RunLog()
        self.store = Store(path / "store.sqlite")
        put_images(self.store, LABELS, CLASSES)
        self.log.dataset = "data"
        self.answers = {}
        skills = np.linspace(-1.5, 2.0, len(conditions))[np.random.default_rng(1).permutation(len(conditions))]
        for condition, skill in zip((CONTROL, *conditions), (2.2, *skills), strict=True):
            self.answers[condition] = answers(self.rng, skill)
            for model in models:
                answered, confidence = self.answers[condition][model]
                scores = confidence, np.zeros(IMAGES, np.float32)
                facts = ModelFacts("f" * 64, "name", OUTPUTS[model], Preprocess())
                put_answers(
                    self.store, self.log, Cell(model, condition), answered, OUTPUTS[model], LABELS, *scores, facts=facts
                )
        planned = {"estimated_accuracy": tuple(Cell(model, CONTROL) for model in models)}
        stored = StoredPredictions(lambda: self.store, self.log)
        options = StudyOptions(3, 0, 50)
        judge = Judge(stored, self.log, TestPolicy(), None, expect_baseline=False)
        self.evidence = Evidence(stored, self.log, judge, builtin(), options, None, None, None, planned)

    def asked(self, given, model="ann", images=None, distinct=None, **changes):
        """Examine a model on images whose answers are ``given``."""
        part = slice(images)
        shown = {name: (answered[part], sure[part]) for name, (answered, sure) in given.items()}
        unlabelled = Unlabelled(self.log, shown, distinct=distinct)
        evidence = dataclasses.replace(self.evidence, unlabelled=unlabelled, **changes)
        return EstimatedAccuracy().examine(evidence, Cell(model, CONTROL))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.store.close()


def new_images(seed, skill, images=1200):
    labels = np.arange(images) % len(CLASSES)
    return labels, answers(np.random.default_rng(seed), skill, labels)


@pytest.mark.parametrize("skill", [-1.0, 0.0, 1.0, 1.8])
def test_the_estimate_is_near_the_truth_and_the_interval_holds_it(world, skill):
    labels, given = new_images(11, skill)
    for model in MODELS:
        finding = world.asked(given, model)
        truth = 100 * np.mean(given[model][0] == np.array(OUTPUTS[model])[labels])
        figures = finding.figures
        assert figures["low"] <= truth <= figures["high"]
        assert abs(figures["estimate"] - truth) < 3 * figures["rmse"] + 2
        assert figures["images"] == 1200
        assert figures["conditions"] == len(CONDITIONS) + 1 == len(finding.items)
        assert "agreement with the other models" in figures["signs"]


def test_copies_of_images_without_labels_count_once(world):
    _, given = new_images(13, 0.5, 60)
    places = np.arange(60).repeat(20)
    copied = {name: (answered[places], sure[places]) for name, (answered, sure) in given.items()}
    first = np.diff(places, prepend=-1) > 0
    assert world.asked(copied, distinct=first).figures == world.asked(given).figures


def test_copies_of_labelled_images_count_once(tmp_path):
    made, some = World(tmp_path), np.arange(IMAGES) % 3 > 0
    made.evidence.predictions.distinct = some
    figures = made.asked(new_images(13, 0.5)[1]).figures
    right = made.answers[CONTROL]["ann"][0] == np.array(OUTPUTS["ann"])[LABELS]
    assert figures["control"] == pytest.approx(100 * right[some].mean())
    made.store.close()


def test_figures_and_items_are_those_of_the_regression(world):
    _, given = new_images(12, 0.5, IMAGES)
    finding = world.asked(given)
    own = {c: np.argsort(OUTPUTS["ann"])[world.answers[c]["ann"][0]] for c in (CONTROL, *CONDITIONS)}

    def classes(model, outputs):
        return np.array([OUTPUTS[model].index(o) if o in OUTPUTS[model] else 9 for o in outputs])

    def answered(of):
        mine = classes("ann", of["ann"][0])
        share = np.mean([mine == classes(other, of[other][0]) for other in ("bob", "cy")], axis=0)
        # As the store keeps probabilities: half floats of their logarithms.
        return Answered(mine, of["ann"][1].astype(float), share)

    right = {c: own[c] == LABELS for c in own}
    reference = Reference.of(answered(world.answers[CONTROL]), right[CONTROL], len(CLASSES) + 1)
    signs = np.array([reference.signs(answered(world.answers[c])) for c in own])
    model = AccuracyModel.of(
        Conditions(signs, np.array([right[c].mean() for c in own]), tuple(c.transform for c in own))
    )
    for item, condition, row, held_out in zip(finding.items, own, signs, model.held_out, strict=True):
        assert (item["transform"], item["severity"]) == (condition.transform, condition.severity)
        assert item["accuracy"] == pytest.approx(100 * right[condition].mean())
        assert item["held_out"] == pytest.approx(100 * held_out, abs=0.2)
        assert [item[name] for name in SIGNS] == pytest.approx((100 * row).tolist(), abs=1.0)
    new = reference.signs(answered(given))
    figures = finding.figures
    assert figures["estimate"] == pytest.approx(100 * model.estimate(new), abs=0.2)
    assert (figures["low"], figures["high"]) == pytest.approx([100 * end for end in model.interval(new, 0.9)], abs=0.5)
    assert figures["rmse"] == pytest.approx(100 * model.rmse, abs=0.1)
    assert figures["control"] == pytest.approx(100 * right[CONTROL].mean())
    assert figures["average_confidence"] == pytest.approx(100 * given["ann"][1].mean(), abs=0.1)
    (curve,) = finding.curves
    assert curve.diagonal
    assert sorted(curve.x) == list(curve.x) == sorted(item["accuracy"] for item in finding.items)
    assert [*finding.figures] == [*EstimatedAccuracy.columns]
    assert all([*item] == [*EstimatedAccuracy.item_columns] for item in finding.items)


def test_the_verdict_follows_from_where_the_interval_lies(world):
    _, bad = new_images(13, -0.5)
    worse = world.asked(bad)
    limit = worse.figures["control"] - 2
    assert worse.verdict.outcome is Outcome.FAIL
    assert worse.verdict.reason.startswith(f"the interval lies below control accuracy less 2 points ({limit:.1f} %)")
    stored = world.evidence.predictions
    lenient = Judge(stored, world.log, TestPolicy(margin=100), None, expect_baseline=False)
    assert world.asked(bad, judge=lenient).verdict.outcome is Outcome.PASS
    _, like_control = new_images(14, 2.2)
    assert world.asked(like_control).verdict.outcome is not Outcome.FAIL


def test_the_same_finding_comes_from_the_log_alone_whatever_is_planned(world):
    _, given = new_images(15, 0.5)
    first = world.asked(given)
    used = tuple(Cell(model, condition) for model in MODELS for condition in (CONTROL, *CONDITIONS))
    world.log.studied[StudyRequest("estimated_accuracy", Cell("ann", CONTROL))] = used
    try:
        assert world.asked(given, planned={}) == first
    finally:
        world.log.studied.clear()
    assert "agreement" not in world.asked(given, planned={}).figures["signs"]


def test_images_unlike_all_that_was_fitted_get_no_estimate(world):
    rng = np.random.default_rng(0)
    # All models agree on one class, whatever the image: no condition looks like that.
    given = {model: (np.full(500, OUTPUTS[model][1]), rng.uniform(0.5, 1, 500).astype(np.float32)) for model in MODELS}
    finding = world.asked(given)
    assert finding.verdict.outcome is Outcome.INCONCLUSIVE
    assert finding.verdict.reason.startswith("unlike all that was fitted in its ")
    assert finding.figures["estimate"] is finding.figures["low"] is finding.figures["high"] is None
    assert finding.headline.startswith("ann on folder:new: no estimate, because it is unlike")


def test_what_cannot_be_estimated_is_refused_with_the_reason(world, tmp_path):
    _, given = new_images(16, 1.0)
    assert world.asked(given, images=49).verdict.reason == "49 images are too few: it takes 50"
    assert world.asked(given, images=50).figures["images"] == 50
    bare = EstimatedAccuracy().examine(world.evidence, Cell("ann", CONTROL))
    assert bare.verdict.reason == "no images to estimate it on: name them with --robustness-unlabelled=SPEC"
    assert bare.verdict.outcome is Outcome.INCONCLUSIVE
    assert [*bare.figures] == [*EstimatedAccuracy.columns]
    few = World(tmp_path, conditions=[c for c in CONDITIONS if c.transform in ("zoom", "rotation", "vflip")])
    reason = "12 conditions of 4 transforms are too few to learn accuracy from: it takes 12 of 5"
    assert few.asked(given).verdict.reason == reason
    few.store.close()
    with pytest.raises(TypeError, match="pass a Cell"):
        EstimatedAccuracy().examine(
            dataclasses.replace(world.evidence, unlabelled=Unlabelled(world.log, given)), Panel(CONTROL, MODELS)
        )


def test_a_model_that_does_not_answer_the_images_is_left_out_of_the_agreement(world):
    _, given = new_images(17, 1.0)
    world.log.unlabelled.clear()
    alone = Unlabelled(world.log, given, broken=("bob", "cy"))
    evidence = dataclasses.replace(world.evidence, unlabelled=alone)
    finding = EstimatedAccuracy().examine(evidence, Cell("ann", CONTROL))
    assert "agreement" not in finding.figures["signs"]
    assert {item["agreement"] for item in finding.items} == {None}
