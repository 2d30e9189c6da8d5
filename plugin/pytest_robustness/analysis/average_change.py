"""The change of top-1 accuracy under a condition, averaged over the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis import statistics
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.predictions import Counts
    from pytest_robustness.analysis.test_result import TTestResult
    from pytest_robustness.core import Condition


def average_changes(counts: Mapping[Cell, Counts]) -> dict[Condition, TTestResult]:
    """Return, for each condition, the change of top-1 accuracy averaged over its models: the models are the sample.

    The test is the paired one, whose interval is that of the mean change.
    """
    models: dict[Condition, list[str]] = {}
    for cell in counts:
        if cell.condition != CONTROL and Cell(cell.model, CONTROL) in counts:
            models.setdefault(cell.condition, []).append(cell.model)

    def top1(condition: Condition, under: Condition) -> list[float]:
        return [counts[Cell(model, under)].top1 for model in models[condition]]

    return {
        condition: statistics.compare([top1(condition, CONTROL)], [top1(condition, condition)], test="paired")[0]
        for condition in models
    }
