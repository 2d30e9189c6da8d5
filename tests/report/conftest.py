"""Findings and a view made by hand, for the tests of what shows them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pytest_robustness.analysis.findings import (
    ClassChange,
    ClassFinding,
    ClassTest,
    GateTest,
    ImageAccuracy,
    ImageTest,
    LostImage,
    ModelTest,
)
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Counts, StoredPredictions
from pytest_robustness.analysis.test_result import (
    ClassImages,
    Estimate,
    ImageChange,
    McNemarResult,
    Outcome,
    TTestResult,
    Verdict,
)
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from pytest_robustness.report.run_report import RunReport
from tests.stored import put_answers, put_images

VFLIP = Condition("vflip")
ZOOM = Condition("zoom", 3)
NAMES = ("ant", "bee", "cat")


class Findings:
    """Makes findings; what is not given is of a model that falls by ten points."""

    def result(self, **fields: object) -> TTestResult:
        """Return a t-test over ten classes."""
        plain = TTestResult(
            n=10,
            control=90.0,
            treated=80.0,
            difference=-10.0,
            ci_low=-15.0,
            ci_high=-5.0,
            effect_size=-2.5,
            p_value=0.0005,
            p_adjusted=0.0005,
            detectable_drop=7.04,
            statistic=-4.2,
            df=18.0,
            test="independent",
        )
        return dataclasses.replace(plain, **fields)

    def inconclusive(self) -> TTestResult:
        """Return a test of one observation."""
        names = ("ci_low", "ci_high", "effect_size", "p_value", "p_adjusted", "detectable_drop", "statistic", "df")
        return self.result(n=1, **dict.fromkeys(names, math.nan))

    def on_images(self, **fields: object) -> McNemarResult:
        """Return a comparison on a thousand images, of which 60 were lost and 10 gained."""
        plain = McNemarResult(
            n=1000,
            control=90.0,
            treated=85.0,
            difference=-5.0,
            ci_low=-6.5,
            ci_high=-3.5,
            effect_size=-0.36,
            p_value=1e-9,
            p_adjusted=4e-9,
            detectable_drop=1.5,
            lost=60,
            gained=10,
        )
        return dataclasses.replace(plain, **fields)

    def change(self, **fields: object) -> ImageChange:
        """Return what a thousand images show: a fall of ten points, most of the changed images lost."""
        plain = ImageChange(
            n=1000,
            lost=120,
            gained=20,
            difference=-10.0,
            low=-12.0,
            high=-8.0,
            alpha=0.05,
            p_value=1e-18,
            needed=61.0,
        )
        return dataclasses.replace(plain, **fields)

    def of_images(self, **fields: object) -> ClassImages:
        """Return what a hundred images of a class show: a fall of thirty points."""
        plain = ClassImages(
            n=100,
            difference=-30.0,
            p_value=1e-8,
            p_adjusted=3e-8,
            blind=False,
            pooled=Estimate(-28.0, -36.0, -20.0),
            right=90,
        )
        return dataclasses.replace(plain, **fields)

    def model(self, model: str = "resnet18", condition: Condition = VFLIP, outcome: str = "FAIL", **fields: object):
        """Return a model test with two worst classes."""
        made = ModelTest(
            model,
            condition,
            self.result(),
            self.change(),
            Outcome(outcome),
            Verdict(Outcome(outcome), "accuracy fell 10.0 points, p = 0.0005 < alpha 0.05"),
            ImageAccuracy(91.0, 80.5),
            (ClassChange(0, "six", 97.0, 12.0), ClassChange(1, "nine", 95.0, 41.5)),
        )
        return dataclasses.replace(made, **fields)

    def classes(self, condition: Condition = VFLIP, outcome: str = "FAIL", **fields: object) -> ClassTest:
        """Return a class test of three classes, of which two are sensitive, and changed beyond the margin."""
        findings = (
            ClassFinding(0, "six", self.result(difference=-30.0, control=95.0, treated=65.0), self.of_images()),
            ClassFinding(
                1,
                "nine",
                self.result(difference=-60.0, control=90.0, treated=30.0, p_adjusted=0.01),
                self.of_images(difference=-60.0, pooled=Estimate(-58.0, -66.0, -50.0)),
            ),
            ClassFinding(
                2,
                "zero",
                self.result(difference=0.0, p_value=0.9, p_adjusted=0.9),
                self.of_images(difference=0.0, p_value=1.0, p_adjusted=1.0, pooled=Estimate(-1.0, -6.0, 4.0)),
            ),
        )
        made = ClassTest(
            condition,
            ("resnet18", "vgg16"),
            findings,
            findings[:2],
            findings[:2],
            1,
            (),
            (),
            0.05,
            Verdict(Outcome(outcome), "2 of 3 classes sensitive at alpha 0.05, more than the 1 allowed"),
        )
        return dataclasses.replace(made, **fields)

    def images(self) -> ImageTest:
        """Return McNemar's test over two hundred images."""
        figures = {"difference": -10.0, "ci_low": -15.0, "ci_high": -5.0, "p_value": 0.0005, "p_adjusted": 0.0005}
        result = self.on_images(n=200, treated=80.0, lost=25, gained=5, **figures)
        return ImageTest(
            "resnet18", VFLIP, result, self.change(n=200), Verdict(Outcome.FAIL, "accuracy fell 10.0 points"), ()
        )

    def compared(self, condition: Condition = VFLIP, outcome: str = "FAIL", **fields: object) -> GateTest:
        """Return the comparison of a model that fell by five points."""
        result = self.on_images()
        verdict = Verdict(Outcome(outcome), "accuracy fell 5.0 points")
        change = self.change(lost=60, gained=10, difference=-5.0, low=-6.3, high=-3.7)
        made = GateTest("resnet18", "vgg16", condition, result, change, 1e-6, 1.0, None, (), (), False, False, verdict)
        return dataclasses.replace(made, **fields)

    def lost(self, count: int) -> tuple[LostImage, ...]:
        """Return images that were lost, of which the last has no name."""
        files = [f"/photos/six/{i}.png" for i in range(count - 1)] + [""]
        return tuple(LostImage(i, file, 0, "six", "nine", 0.987 - i / 100) for i, file in enumerate(files))

    def view(self, **fields: object) -> RunReport:
        """Return the view of two models under two conditions, with one cell in error."""
        models = ("digits:resnet18", "digits:vgg16")
        names = ("six", "nine", "zero")
        finished = [(0, CONTROL), (0, VFLIP), (0, ZOOM), (1, CONTROL), (1, VFLIP)]
        made = RunReport(
            models=models,
            labels={model: model.partition(":")[2] for model in models},
            classes=names,
            conditions=(VFLIP, ZOOM),
            model_tests=(
                self.model(models[0], VFLIP),
                self.model(models[1], VFLIP, "PASS", accuracy=ImageAccuracy(90.0, 89.9)),
                self.model(models[0], ZOOM, "INCONCLUSIVE", result=self.inconclusive()),
            ),
            class_tests=(self.classes(models=models),),
            counts={
                Cell(models[m], condition): Counts(np.array([20, 20, 0]), np.array([19 - 4 * m, 18, 0]))
                for m, condition in finished
            },
            errors={Cell(models[1], ZOOM): "digits:vgg16 failed during the sweep: ValueError: no"},
            skipped=(),
            policy=TestPolicy(),
            provenance={"python": "3.11", "models": {models[0]: {"fingerprint": "f"}}},
        )
        return dataclasses.replace(made, **fields)


@pytest.fixture
def findings() -> Findings:
    """Make findings by hand."""
    return Findings()


@pytest.fixture
def two_models_store(tmp_path):
    """Two models on eight images of three classes; image 7 was skipped. Model b's outputs are shifted by one."""
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    opened = Store(tmp_path / "store.sqlite")
    put_images(opened, labels, NAMES)
    log = RunLog(dataset="data")
    answers = {
        ("a", CONTROL): [0, 0, 0, 1, 1, 2, 2, -1],
        ("a", VFLIP): [1, 1, 3, 1, 2, 2, 2, -1],
        ("b", CONTROL): [1, 1, 2, 2, 2, 2, 3, -1],
        ("b", VFLIP): [1, 2, 2, 2, 2, 2, 3, -1],
    }
    for (model, condition), predicted in answers.items():
        outputs = [0, 1, 2] if model == "a" else [1, 2, 3]
        put_answers(opened, log, Cell(model, condition), predicted, outputs, labels)
    yield opened, log
    opened.close()


@pytest.fixture
def predictions(two_models_store):
    """The predictions of `two_models_store`, all finished."""
    store, run_log = two_models_store
    return StoredPredictions(lambda: store, run_log)
