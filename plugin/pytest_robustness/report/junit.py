"""The figures of a finding as names and values: the properties of a test in JUnit XML."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import TYPE_CHECKING

from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.core.text import LONGEST_TEXT, printable

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import Finding
    from pytest_robustness.analysis.test_result import ImageChange, TestResult


def figures(finding: Finding) -> list[tuple[str, object]]:
    """Return what a dashboard would plot; a figure that is not defined is left out.

    The reason says what a pass excludes, and how many images would decide an inconclusive test. Accuracies are in
    percent, differences in points.
    """
    named = {
        "transform": finding.condition.transform,
        "severity": finding.condition.severity,
        **_own_figures(finding),
        "verdict": finding.verdict.outcome.value,
        "reason": finding.verdict.reason,
    }
    return [
        (name, printable(value, LONGEST_TEXT) if isinstance(value, str) else value)
        for name, value in named.items()
        if value is not None and not _undefined(value)
    ]


@singledispatch
def _own_figures(finding: Finding) -> dict[str, object]:
    raise TypeError(f"{finding!r} is not a finding")


@_own_figures.register(ClassTest)
def _(finding: ClassTest) -> dict[str, object]:
    return {
        "sensitive_classes": len(finding.sensitive),
        "allowed": finding.allowed,
        "tested_classes": finding.tested,
        "classes_beyond_margin": len(finding.beyond_anywhere),
        "falls_in_single_models": len(finding.alone),
        "blind_classes": finding.blind,
    }


@_own_figures.register(ModelTest)
def _(finding: ModelTest) -> dict[str, object]:
    top1 = {"top1_control_accuracy": finding.accuracy.control, "top1_accuracy": finding.accuracy.treated}
    return _of_model(finding) | top1


@_own_figures.register(ImageTest)
def _of_model(finding: ModelTest | ImageTest) -> dict[str, object]:
    result = finding.result
    accuracies = {"control_accuracy": result.control, "accuracy": result.treated}
    shown = {**_change(result), "effect_size": result.effect_size, **_images(finding.change)}
    return {"model": finding.model, **accuracies, **shown}


@_own_figures.register(GateTest)
def _(finding: GateTest) -> dict[str, object]:
    result = finding.result
    accuracies = {"baseline_accuracy": result.control, "accuracy": result.treated}
    return {
        "model": finding.model,
        "baseline_model": finding.counterpart,
        **accuracies,
        **_change(result),
        **_images(finding.change),
    }


@_own_figures.register(StudyFinding)
def _(finding: StudyFinding) -> dict[str, object]:
    return {"study": finding.study, **finding.figures}


def _change(result: TestResult) -> dict[str, object]:
    return {"difference": result.difference, "p_value": result.p_value, "p_adjusted": result.p_adjusted}


def _images(change: ImageChange) -> dict[str, object]:
    """Return what the images show, with the interval that decides."""
    interval = {"images_ci_low": change.low, "images_ci_high": change.high, "images_level": change.level}
    return {"images": change.n, **interval}


def _undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
