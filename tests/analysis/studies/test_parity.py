"""Parity by stored answers: the images that a loop counts, the exact interval's verdict, and what a failure says."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.statistics.proportion import proportion
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.studies.parity import Parity, judge
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import ModelError, OptionError
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from tests.stored import put_answers, put_images

CLASSES = ("ant", "bee", "cat", "doe")
IMAGES = 500
VFLIP = Condition("vflip")
# Six outputs, of which four stand for the classes; the shifted model has a background output first.
OUTPUTS = {"net": (0, 1, 2, 3), "onnx:same.onnx": (0, 1, 2, 3), "onnx:shifted.onnx": (1, 2, 3, 4)}


class World:
    """A reference and two exports; ``changed`` of the images are answered otherwise."""

    def __init__(self, folder, changed=0, skipped=(), conditions=(CONTROL,)):
        rng = np.random.default_rng(5)
        self.labels = rng.integers(0, 4, IMAGES)
        self.store = Store(folder / "store.sqlite")
        put_images(self.store, self.labels, CLASSES)
        self.log = RunLog(dataset="data")
        self.reference = np.where(rng.random(IMAGES) < 0.8, self.labels, rng.integers(0, 6, IMAGES))
        self.sure = rng.uniform(0.3, 1.0, IMAGES).astype(np.float32)
        self.moved = rng.permutation(IMAGES)[:changed]
        self.export = self.reference.copy()
        self.export[self.moved] = (self.reference[self.moved] + 1 + rng.integers(0, 5, changed)) % 6
        for condition in conditions:
            self.put(Cell("net", condition), self.reference, ())
            self.put(Cell("onnx:same.onnx", condition), self.export, skipped)
            self.put(Cell("onnx:shifted.onnx", condition), self.export + 1, skipped)
        self.names = SimpleNamespace(of=lambda positions, _: [f"{position}.png" for position in positions])

    def put(self, cell, predicted, skipped):
        answers = predicted.copy()
        answers[list(skipped)] = -1
        scores = self.sure, np.zeros(IMAGES, np.float32)
        put_answers(self.store, self.log, cell, answers, OUTPUTS[cell.model], self.labels, *scores)

    def asked(self, model="onnx:same.onnx", condition=CONTROL, computed=None, planned=(), **options):
        given = {"reference": "net"} | options
        predictions = StoredPredictions(lambda: self.store, self.log)
        self.log.provenance = {"options": {"data": "folder:my photos", "weights_dir": "w"}}
        evidence = Evidence(
            predictions,
            self.log,
            SimpleNamespace(policy=TestPolicy()),
            None,
            dataclasses.replace(StudyOptions(3, 0, 50), **given),
            source=None,
            names=self.names,
            planned={"parity": planned},
            compute=lambda cells: None if computed is None else computed.extend(cells),
        )
        return Parity().examine(evidence, Cell(model, condition))


@pytest.mark.parametrize("changed", [0, 1, 3, 20, 200])
def test_the_images_are_those_of_a_loop_and_the_verdict_that_of_the_exact_interval(tmp_path, changed):
    world = World(tmp_path, changed)
    finding = world.asked()
    differ = [i for i in range(IMAGES) if world.reference[i] != world.export[i]]
    interval = stats.binomtest(len(differ), IMAGES).proportion_ci(0.9, method="exact")
    assert finding.figures["otherwise"] == len(differ) == changed
    assert finding.figures["share"] == pytest.approx(100 * changed / IMAGES)
    assert [finding.figures[end] for end in ("low", "high")] == pytest.approx([100 * interval.low, 100 * interval.high])
    assert finding.figures["accuracy_reference"] == pytest.approx(100 * np.mean(world.reference == world.labels))
    assert finding.figures["accuracy"] == pytest.approx(100 * np.mean(world.export == world.labels))
    assert {item["position"] for item in finding.items} == {*sorted(differ, key=lambda i: -world.sure[i])[:50]}
    expected = {0: Outcome.PASS, 1: Outcome.PASS, 3: Outcome.INCONCLUSIVE, 20: Outcome.FAIL, 200: Outcome.FAIL}[changed]
    assert finding.verdict.outcome is expected


def test_the_surest_answers_of_the_reference_come_first_with_their_names(tmp_path):
    world = World(tmp_path, 30)
    finding = world.asked()
    sure = [item["reference_probability"] for item in finding.items]
    assert sure == sorted(sure, reverse=True)
    first = finding.items[0]
    names = {**dict(enumerate(CLASSES)), 4: "output 4", 5: "output 5"}
    position = first["position"]
    assert first["file"] == f"{position}.png"
    assert first["class"] == CLASSES[world.labels[position]]
    assert first["reference_answer"] == names[world.reference[position]]
    assert first["answer"] == names[world.export[position]]
    assert [picture.position for picture in finding.pictures] == [item["position"] for item in finding.items][:24]


def test_outputs_in_another_order_are_compared_by_class_and_those_of_no_class_count_as_one(tmp_path):
    world = World(tmp_path, 400)
    finding = world.asked("onnx:shifted.onnx")
    of_class = [(min(a, 4), min(b, 4)) for a, b in zip(world.reference, world.export, strict=True)]
    assert finding.figures["otherwise"] == sum(a != b for a, b in of_class)
    assert finding.figures["otherwise"] < world.asked().figures["otherwise"]


def test_images_that_one_could_not_read_do_not_count(tmp_path):
    moved = World(tmp_path, 20).moved.tolist()
    (tmp_path / "again").mkdir()
    finding = World(tmp_path / "again", 20, moved).asked()
    assert (finding.figures["images"], finding.figures["otherwise"]) == (IMAGES - 20, 0)


def test_a_failure_has_accuracies_images_and_the_doctor_and_a_pass_no_doctor(tmp_path):
    world = World(tmp_path, 100)
    finding = world.asked()
    assert finding.headline == "onnx:same.onnx answers 100 of 500 images otherwise than net"
    assert finding.verdict.reason == (
        "shown to be more than 1 %: 100 of 500 images answered otherwise, 90 % interval 17.10 to 23.17 %"
    )
    accuracies = [f"{finding.figures[name]:.1f} %" for name in ("accuracy_reference", "accuracy")]
    assert finding.details[0] == f"  accuracy {accuracies[0]} -> {accuracies[1]}, on the same 500 images"
    assert sum(".png" in line for line in finding.details) == 5
    assert finding.details[-1].endswith(
        ": pytest-robustness doctor onnx:same.onnx '--data=folder:my photos' --weights-dir=w"
    )
    assert not any("doctor" in line for line in world.asked(parity_margin=50.0).details)


def test_a_condition_is_compared_with_the_reference_under_it_in_one_sweep_with_what_is_planned(tmp_path):
    world = World(tmp_path, 7, conditions=(CONTROL, VFLIP))
    computed: list[Cell] = []
    planned = (Cell("onnx:same.onnx", CONTROL), Cell("onnx:same.onnx", VFLIP))
    finding = world.asked(condition=VFLIP, computed=computed, planned=planned)
    assert finding.condition == VFLIP
    assert finding.headline.endswith("otherwise than net under vflip")
    assert {*computed} == {Cell("onnx:same.onnx", VFLIP), Cell("net", CONTROL), Cell("net", VFLIP)}


def test_without_a_reference_nothing_is_judged_and_the_option_is_named(tmp_path):
    finding = World(tmp_path).asked(reference=None)
    assert finding.verdict.outcome is Outcome.INCONCLUSIVE
    assert "--robustness-reference=NAME" in finding.verdict.reason
    assert {*finding.figures.values()} == {None}


def test_what_cannot_be_asked_is_refused(tmp_path):
    world = World(tmp_path)
    with pytest.raises(OptionError, match=r"^net is the reference: name a model that was exported from it\.$"):
        world.asked("net")
    with pytest.raises(TypeError, match="pass a Cell"):
        Parity().examine(None, Panel(CONTROL, ("a", "b")))
    world.log.errors[Cell("net", VFLIP)] = "it broke"
    world.put(Cell("onnx:same.onnx", VFLIP), world.export, ())
    with pytest.raises(ModelError, match="it broke"):
        world.asked(condition=VFLIP)


@pytest.mark.parametrize(
    ("count", "n", "margin", "outcome", "text"),
    [
        (0, 0, 1.0, Outcome.INCONCLUSIVE, "there is no image that both could read"),
        (0, 1, 1.0, Outcome.INCONCLUSIVE, "1 image answered otherwise"),
        (0, 299, 1.0, Outcome.PASS, "within 1 %: 0 of 299 images answered otherwise, 90 % interval 0.00 to 1.00 %"),
        (0, 298, 1.0, Outcome.INCONCLUSIVE, "about 300 images would decide, if the share stays what it is"),
        (10, 1000, 1.0, Outcome.INCONCLUSIVE, "no practical number of images would decide"),
        # More than ten million, as in the verdicts of models.
        (201, 20_000, 1.0, Outcome.INCONCLUSIVE, "no practical number of images would decide"),
        (60, 1000, 5.0, Outcome.INCONCLUSIVE, "neither within 5 % nor beyond is shown"),
        (80, 1000, 5.0, Outcome.FAIL, "shown to be more than 5 %: 80 of 1,000 images answered otherwise"),
    ],
)
def test_verdicts(count, n, margin, outcome, text):
    verdict = judge(proportion(count, n, 0.05), margin, 0.05)
    assert verdict.outcome is outcome
    assert text in verdict.reason
