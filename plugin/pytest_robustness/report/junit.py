"""The figures of a finding as names and values: the properties of a test in JUnit XML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_robustness.analysis.findings import ClassTest, Finding, ImageTest, ModelTest

if TYPE_CHECKING:
    from pytest_robustness.analysis.baseline.gate import GateTest


def figures(finding: Finding | GateTest) -> list[tuple[str, object]]:
    """Return what a dashboard would plot; a figure that is not defined is left out.

    Accuracies are in percent, differences in points.
    """
    found: dict[str, object] = {"transform": finding.condition.transform, "severity": finding.condition.severity}
    if isinstance(finding, ClassTest):
        found |= {"sensitive_classes": len(finding.sensitive), "allowed": finding.allowed}
        found |= {"tested_classes": finding.tested}
    elif isinstance(finding, ModelTest | ImageTest):
        result = finding.result
        found |= {"model": finding.model, "control_accuracy": result.control, "accuracy": result.treated}
        found |= {"difference": result.difference, "p_value": result.p_value, "p_adjusted": result.p_adjusted}
        found |= {"effect_size": result.effect_size}
    else:
        change = finding.change
        found |= {"model": finding.model, "baseline_model": finding.counterpart}
        found |= {"baseline_accuracy": change.baseline, "accuracy": change.candidate, "difference": change.difference}
        found |= {"p_value": change.p_value, "p_adjusted": change.p_adjusted}
    found["verdict"] = finding.verdict.outcome.value
    return [(name, value) for name, value in found.items() if value is not None and not _undefined(value)]


def _undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
