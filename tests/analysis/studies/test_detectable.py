"""A transform is detectable where the stored answers say so, by the figures of scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.statistics.answer_shift import AnswerShift
from pytest_robustness.analysis.statistics.discrimination import Discrimination, LargestDistance
from pytest_robustness.analysis.studies.detectable import Detectable, judge
from pytest_robustness.analysis.studies.detection import Detection
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import ModelError, OptionError
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from tests.stored import put_answers, put_images

CLASSES = 5
BLUR, TINT = Condition("blur", 3), Condition("tint")
MODELS = ("ann", "bob", "cy")


class World:
    """Three models whose confidence falls under ``BLUR``, and which ``TINT`` leaves as they are but for noise."""

    def __init__(self, folder, images=400, skipped=()):
        rng = np.random.default_rng(8)
        self.labels = rng.integers(0, CLASSES, images)
        self.store = Store(folder / "s.sqlite")
        put_images(self.store, self.labels, [f"class {i}" for i in range(CLASSES)])
        self.log = RunLog(dataset="data")
        self.predictions = StoredPredictions(lambda: self.store, self.log)
        ease = rng.normal(2, 1, images)
        for model in MODELS:
            outputs = rng.permutation(CLASSES)
            self.put(rng, Cell(model, CONTROL), ease, outputs, skipped)
            self.put(rng, Cell(model, BLUR), ease - 1.5, outputs, ())
            self.put(rng, Cell(model, TINT), ease, outputs, ())

    def put(self, rng, cell, ease, outputs, skipped):
        confidence = 1 / (1 + np.exp(-ease - rng.normal(0, 0.3, len(ease))))
        right = rng.random(len(ease)) < confidence
        predicted = np.where(right, outputs[self.labels], outputs[(self.labels + 1) % CLASSES])
        predicted[list(skipped)] = -1
        true = np.where(right, confidence, (1 - confidence) / 2)
        scores = confidence.astype(np.float32), true.astype(np.float32)
        put_answers(self.store, self.log, cell, predicted, outputs, self.labels, *scores)

    def examine(self, request, **policy):
        judge = Judge(self.predictions, self.log, TestPolicy(**policy), None, expect_baseline=False)
        evidence = Evidence(self.predictions, self.log, judge, None, StudyOptions(3, 1, 50), source=None, names=None)
        return Detectable().examine(evidence, request)


class Unlabelled(StoredPredictions):
    """Predictions of images without labels."""

    @property
    def labels(self):
        return np.full(len(super().labels), -1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("detectable"))


def auroc(control, treated):
    return roc_auc_score([0] * len(control) + [1] * len(treated), np.concatenate([control, treated]))


@pytest.mark.parametrize("condition", [BLUR, TINT])
def test_the_figures_of_a_cell_are_those_of_scikit_learn_and_scipy(world, condition):
    finding = world.examine(Cell("ann", condition))
    control, treated = (world.predictions.scored(Cell("ann", c)) for c in (CONTROL, condition))
    figures = finding.figures
    area = auroc(control.probability, treated.probability)
    assert figures["auroc"] == pytest.approx(max(area, 1 - area), abs=1e-9)
    assert figures["best_auroc"] == max(figures["auroc"], figures["answer_auroc"])
    assert figures["auroc_low"] < figures["auroc"] < figures["auroc_high"]
    by_label = auroc(control.true_probability, treated.true_probability)
    assert figures["label_auroc"] == pytest.approx(max(by_label, 1 - by_label), abs=1e-9)
    distance = stats.ks_2samp(control.probability, treated.probability, method="asymp").statistic
    assert figures["ks"] == pytest.approx(distance, abs=1e-12)
    for group, name in ((control, "control"), (treated, "treated")):
        right = group.outputs.predicted == group.outputs.targets[world.labels]
        assert figures[f"accuracy_{name}"] == pytest.approx(100 * right.mean())
        assert figures[f"confidence_{name}"] == pytest.approx(100 * group.probability.mean(dtype=np.float64))
        assert figures[f"brier_{name}"] == pytest.approx(np.mean((group.probability.astype(np.float64) - right) ** 2))


def test_confidence_that_falls_fails_and_names_the_side(world):
    finding = world.examine(Cell("ann", BLUR))
    assert finding.verdict.outcome is Outcome.FAIL
    assert finding.headline.startswith("blur (severity 3) is detectable by ann: AUROC 0.")
    assert finding.headline.endswith(" from its confidence")
    assert finding.verdict.reason.startswith("confidence beyond an AUROC of 0.6: confidence 0.")
    assert finding.figures["side"] == "less sure"
    assert finding.figures["p"] == 0.001
    assert any("transformed images less sure" in line for line in finding.details)


def test_confidence_and_answers_that_stay_pass_with_images_enough(world):
    finding = world.examine(Cell("bob", TINT))
    assert finding.verdict.outcome is Outcome.PASS
    assert finding.headline.startswith("tint is not detectable by bob: AUROC 0.5")
    assert finding.verdict.reason.startswith("within an AUROC of 0.6: confidence 0.5")


def test_a_panel_tells_by_the_mean_of_its_models(world):
    finding = world.examine(Panel(BLUR, MODELS))
    scores = []
    for model in MODELS:
        pair = [world.predictions.scored(Cell(model, c)).probability.astype(np.float64) for c in (CONTROL, BLUR)]
        scores.append(stats.zscore(np.log(np.concatenate(pair) / (1 - np.concatenate(pair)))))
    control, treated = np.split(np.mean(scores, axis=0), 2)
    assert finding.figures["auroc"] == pytest.approx(auroc(treated, control), abs=1e-9)
    assert finding.headline.startswith("blur (severity 3) is detectable: AUROC ")
    assert finding.headline.endswith("from the confidence of 3 models together")
    eces = [world.examine(Cell(model, BLUR)).figures["ece_treated"] for model in MODELS]
    assert finding.figures["ece_treated"] == pytest.approx(np.mean(eces))
    assert not finding.items
    assert not finding.curves
    (by_model,) = [line for line in finding.details if line.startswith("confidence by model: ")]
    assert all(f"{model} 0." in by_model for model in MODELS)


def test_the_curves_and_bins_are_those_of_control_and_condition(world):
    finding = world.examine(Cell("cy", BLUR))
    assert [curve.name for curve in finding.curves] == ["control", "blur-s3"]
    assert all(curve.diagonal for curve in finding.curves)
    groups = [[item for item in finding.items if item["group"] == curve.name] for curve in finding.curves]
    for curve, items in zip(finding.curves, groups, strict=True):
        assert sum(item["n"] for item in items) == len(world.labels)
        assert curve.x == pytest.approx([item["confidence"] for item in items])
        assert curve.y == pytest.approx([item["accuracy"] for item in items])
        assert all(low <= y <= high for low, y, high in zip(curve.low, curve.y, curve.high, strict=True))
        assert all(tuple(item) == tuple(Detectable.item_columns) for item in items)


@pytest.mark.parametrize("request_", [Cell("ann", BLUR), Panel(TINT, MODELS)])
def test_a_finding_repeats_and_has_every_figure(world, request_):
    finding = world.examine(request_)
    assert finding == world.examine(request_)
    assert tuple(finding.figures) == tuple(Detectable.columns)
    assert all(not isinstance(value, float) or math.isfinite(value) for value in finding.figures.values())


def test_images_that_one_cell_lacks_count_nowhere(tmp_path):
    world = World(tmp_path, skipped=range(0, 400, 4))
    finding = world.examine(Cell("ann", BLUR))
    control, treated = (world.predictions.scored(Cell("ann", c)).probability for c in (CONTROL, BLUR))
    read = np.arange(400) % 4 != 0
    assert finding.figures["images"] == 300
    assert finding.figures["auroc"] == pytest.approx(auroc(treated[read], control[read]), abs=1e-9)


@pytest.mark.parametrize(("read", "few"), [(0, "no image was"), (1, "only 1 image was"), (2, "only 2 images were")])
def test_too_few_images_are_inconclusive(tmp_path, read, few):
    world = World(tmp_path, images=6, skipped=range(read, 6))
    for subject in (Cell("ann", BLUR), Panel(BLUR, MODELS)):
        finding = world.examine(subject)
        assert finding.verdict.outcome is Outcome.INCONCLUSIVE
        assert finding.verdict.reason == f"{few} read both ways: too few to tell anything from"
        assert finding.figures["images"] == read
        assert "may be detectable" in finding.headline


def test_a_few_images_cannot_pass(tmp_path):
    finding = World(tmp_path, images=20).examine(Cell("bob", TINT))
    assert finding.verdict.outcome is Outcome.INCONCLUSIVE
    assert "images would decide" in finding.verdict.reason


def test_images_without_labels_have_no_figures_of_labels(tmp_path):
    world = World(tmp_path)
    world.predictions = Unlabelled(lambda: world.store, world.log)
    found = world.examine(Cell("ann", BLUR))
    assert found.verdict.outcome is Outcome.FAIL
    assert {name for name, value in found.figures.items() if value is None} == {
        name for name in Detectable.columns if name.startswith(("label", "accuracy", "confidence", "ece", "brier"))
    }
    assert (found.items, found.curves) == ((), ())


def test_a_panel_that_lost_a_model_does_not_pass(tmp_path):
    world = World(tmp_path)
    whole = world.examine(Panel(TINT, MODELS))
    assert whole.verdict.outcome is Outcome.PASS
    world.log.errors[Cell("cy", TINT)] = "no such net"
    finding = world.examine(Panel(TINT, MODELS))
    assert finding.models == ("ann", "bob")
    assert finding.verdict.outcome is Outcome.INCONCLUSIVE
    assert finding.verdict.reason.startswith("within 0.6, but without cy: ")
    with pytest.raises(ModelError, match="no such net"):
        world.examine(Cell("cy", TINT))


def test_control_cannot_be_told_from_itself(world):
    with pytest.raises(OptionError, match=r"control is what transforms are told from\. Name a transform\."):
        world.examine(Cell("ann", CONTROL))


LOW, OPEN, BEYOND, MIRRORED = (0.5, 0.45, 0.55), (0.58, 0.5, 0.66), (0.7, 0.65, 0.75), (0.3, 0.25, 0.35)


def detection(confidence, answer):
    """Return a detection with the AUROCs and intervals given."""
    scores = [Discrimination(n, *figures) for n, figures in ((100, confidence), (50, answer))]
    distance, nothing = LargestDistance(0.1, 0.5), Discrimination(0, math.nan, math.nan, math.nan)
    shift = AnswerShift(0.1, 0.05, 0.5)
    return Detection(("ann",), BLUR, 100, *scores, nothing, distance, distance, shift, (), (0.5,))


@pytest.mark.parametrize(
    ("confidence", "answer", "outcome", "reason"),
    [
        (LOW, LOW, Outcome.PASS, "within an AUROC of 0.6: confidence 0.50 (0.45 to 0.55); answers 0.50 (0.45 to 0.55)"),
        (BEYOND, LOW, Outcome.FAIL, "confidence beyond an AUROC of 0.6: confidence 0.70"),
        (MIRRORED, LOW, Outcome.FAIL, "confidence beyond an AUROC of 0.6: confidence 0.70 (0.65 to 0.75)"),
        (LOW, BEYOND, Outcome.FAIL, "answers beyond an AUROC of 0.6"),
        (BEYOND, BEYOND, Outcome.FAIL, "confidence and answers beyond an AUROC of 0.6"),
        (OPEN, BEYOND, Outcome.FAIL, "answers beyond"),
        (OPEN, LOW, Outcome.INCONCLUSIVE, "not shown to lie within or beyond 0.6: confidence 0.58 (0.50 to 0.66)"),
        (LOW, OPEN, Outcome.INCONCLUSIVE, "not shown to lie within or beyond 0.6: confidence 0.50"),
        (
            LOW,
            (0.5499, 0.5, 0.5996),
            Outcome.PASS,
            "within an AUROC of 0.6: confidence 0.50 (0.45 to 0.55); answers 0.55",
        ),
        ((0.65, 0.6004, 0.7), LOW, Outcome.FAIL, "confidence beyond an AUROC of 0.6: confidence 0.65 (0.6004 to 0.70)"),
    ],
)
def test_the_worse_score_decides(confidence, answer, outcome, reason):
    verdict = judge(detection(confidence, answer))
    assert verdict.outcome is outcome
    assert verdict.reason.startswith(reason)


def test_an_open_verdict_says_how_many_images_would_decide():
    # The interval is four times as wide as the gap to the bound: sixteen times the images.
    assert "about 1,600 images would decide" in judge(detection(OPEN, LOW)).reason
    assert "no practical number of images" in judge(detection((0.6, 0.5, 0.7), LOW)).reason
    # Of twenty-five million, as in the verdicts of models.
    assert "no practical number of images" in judge(detection((0.6001, 0.55, 0.65), LOW)).reason
    # Half of the images teach what answers speak for.
    assert "about 1,600 images would decide" in judge(detection(LOW, OPEN)).reason
