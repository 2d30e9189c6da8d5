"""The figures of a finding as names and values: the properties of a test in JUnit XML."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import TYPE_CHECKING

from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import Finding
    from pytest_robustness.analysis.test_result import TestResult


def figures(finding: Finding) -> list[tuple[str, object]]:
    """Return what a dashboard would plot; a figure that is not defined is left out.

    Accuracies are in percent, differences in points.
    """
    named = {
        "transform": finding.condition.transform,
        "severity": finding.condition.severity,
        **_own_figures(finding),
        "verdict": finding.verdict.outcome.value,
    }
    return [(name, value) for name, value in named.items() if value is not None and not _undefined(value)]


@singledispatch
def _own_figures(finding: Finding) -> dict[str, object]:
    raise TypeError(f"{finding!r} is not a finding")


@_own_figures.register(ClassTest)
def _(finding: ClassTest) -> dict[str, object]:
    return {
        "sensitive_classes": len(finding.sensitive),
        "allowed": finding.allowed,
        "tested_classes": finding.tested,
    }


@_own_figures.register(ModelTest)
@_own_figures.register(ImageTest)
def _(finding: ModelTest | ImageTest) -> dict[str, object]:
    result = finding.result
    accuracies = {"control_accuracy": result.control, "accuracy": result.treated}
    return {"model": finding.model, **accuracies, **_change(result), "effect_size": result.effect_size}


@_own_figures.register(GateTest)
def _(finding: GateTest) -> dict[str, object]:
    result = finding.result
    accuracies = {"baseline_accuracy": result.control, "accuracy": result.treated}
    return {"model": finding.model, "baseline_model": finding.counterpart, **accuracies, **_change(result)}


def _change(result: TestResult) -> dict[str, object]:
    return {"difference": result.difference, "p_value": result.p_value, "p_adjusted": result.p_adjusted}


def _undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
