"""Findings and a view made by hand, for the tests of what shows them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pytest_robustness.analysis.baseline.gate import GateTest
from pytest_robustness.analysis.baseline.rule import Change
from pytest_robustness.analysis.findings import (
    ClassChange,
    ClassFinding,
    ClassTest,
    Counts,
    ImageAccuracy,
    ImageTest,
    ModelTest,
)
from pytest_robustness.analysis.test_result import Outcome, TestResult, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.report.run_report import View

VFLIP = Condition("vflip")
ZOOM = Condition("zoom", 3)
CHAIN = Condition("equalize_zoom_brightness", 3)


class Findings:
    """Makes findings; what is not given is of a model that falls by ten points."""

    def result(self, **fields: object) -> TestResult:
        """Return a t-test over ten classes."""
        plain = TestResult(
            "independent", 10, 90.0, 80.0, -10.0, -15.0, -5.0, -2.5, -4.2, 18.0, 0.0005, 0.0005, 7.04
        )  # fmt: skip
        return dataclasses.replace(plain, **fields)

    def inconclusive(self) -> TestResult:
        """Return a test of one observation."""
        nan = math.nan
        return TestResult("independent", 1, 90.0, 80.0, -10.0, nan, nan, nan, nan, nan, nan, nan, nan)

    def model(self, model: str = "resnet18", condition: Condition = VFLIP, outcome: str = "FAIL", **fields: object):
        """Return a model test with two worst classes."""
        made = ModelTest(
            model,
            condition,
            self.result(),
            Outcome(outcome),
            Verdict(Outcome(outcome), "accuracy fell 10.0 points, p = 0.0005 < alpha 0.05"),
            ImageAccuracy(91.0, 80.5),
            (ClassChange(0, "six", 97.0, 12.0), ClassChange(1, "nine", 95.0, 41.5)),
        )
        return dataclasses.replace(made, **fields)

    def classes(self, condition: Condition = VFLIP, outcome: str = "FAIL", **fields: object) -> ClassTest:
        """Return a class test of three classes, of which two are sensitive."""
        findings = (
            ClassFinding(0, "six", self.result(difference=-30.0, control=95.0, treated=65.0)),
            ClassFinding(1, "nine", self.result(difference=-60.0, control=90.0, treated=30.0, p_adjusted=0.01)),
            ClassFinding(2, "zero", self.result(difference=0.0, p_value=0.9, p_adjusted=0.9)),
        )
        made = ClassTest(
            condition,
            ("resnet18", "vgg16"),
            findings,
            findings[:2],
            1,
            (),
            (),
            0.05,
            Verdict(Outcome(outcome), "2 of 3 classes sensitive at alpha 0.05, more than the 1 that chance explains"),
        )
        return dataclasses.replace(made, **fields)

    def images(self) -> ImageTest:
        """Return McNemar's test over two hundred images."""
        result = self.result(test="mcnemar", n=200, df=math.nan)
        return ImageTest("resnet18", VFLIP, result, Verdict(Outcome.FAIL, "accuracy fell 10.0 points"), ())

    def compared(self, condition: Condition = VFLIP, outcome: str = "FAIL", **fields: object) -> GateTest:
        """Return the comparison of a model that fell by five points."""
        change = Change(1000, 90.0, 85.0, -5.0, -6.5, -3.5, 60, 10, 1e-9, 4e-9, 1.5)
        verdict = Verdict(Outcome(outcome), "accuracy fell 5.0 points")
        made = GateTest("resnet18", "vgg16", condition, change, None, (), False, False, verdict)
        return dataclasses.replace(made, **fields)

    def view(self, **fields: object) -> View:
        """Return the view of two models under two conditions, with one cell in error."""
        models = ("digits:resnet18", "digits:vgg16")
        names = ("six", "nine", "zero")
        finished = [(0, CONTROL), (0, VFLIP), (0, ZOOM), (1, CONTROL), (1, VFLIP)]
        made = View(
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
            provenance={"python": "3.11", "models": {models[0]: {"fingerprint": "f"}}},
        )
        return dataclasses.replace(made, **fields)


@pytest.fixture
def findings() -> Findings:
    """Make findings by hand."""
    return Findings()
