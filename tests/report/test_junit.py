"""The properties of a test in JUnit XML say what it found, and what its verdict rests on."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.report.junit import figures

PAGE = Path(__file__).parents[2] / "docs/ci.md"


def test_the_page_for_machines_names_the_properties_of_a_test_of_the_classes(findings):
    (text,) = re.findall(r"- \*\*JUnit XML\*\*(.*?)\n- ", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    of_all, of_classes = (set(re.findall(r"`([a-z_]+)`", part)) for part in text.split("that of the classes has"))
    model, classes = (set(dict(figures(one))) for one in (findings.model(), findings.classes()))
    assert classes - model == of_classes - model
    assert of_all <= model | {"severity"}
    assert classes & model == {"transform", "verdict", "reason"} | ({"severity"} & classes)


def test_a_model_has_its_accuracies_and_the_interval_of_its_images(findings):
    found = dict(figures(findings.model()))
    assert (found["top1_control_accuracy"], found["top1_accuracy"]) == (91.0, 80.5)
    assert (found["control_accuracy"], found["accuracy"]) == (90.0, 80.0)
    assert [found[f"images{name}"] for name in ("", "_ci_low", "_ci_high", "_level")] == [1000, -12.0, -8.0, 90.0]


def test_the_classes_are_counted_by_each_rule(findings):
    found = dict(figures(findings.classes(untested=("ten",))))
    assert [found[name] for name in ("sensitive_classes", "classes_beyond_margin", "blind_classes")] == [2, 2, 1]


@pytest.mark.parametrize("kind", ["model", "classes", "compared", "images"])
def test_every_test_has_its_reason(findings, kind):
    finding = getattr(findings, kind)()
    assert dict(figures(finding))["reason"] == finding.verdict.reason


def test_a_pass_says_what_it_excludes(findings):
    reason = "within 2 points: -0.6 points, 90 % interval -1.4 to +0.2 over 898 images"
    found = dict(figures(findings.model(verdict=Verdict(Outcome.PASS, reason))))
    assert (found["verdict"], found["reason"]) == ("PASS", reason)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_not_defined_is_left_out(findings, value):
    found = dict(figures(findings.model(change=findings.change(low=value))))
    assert "images_ci_low" not in found
    assert "images_ci_high" in found
