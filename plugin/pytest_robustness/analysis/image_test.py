"""Image test: do a model's answers to the same images change under a condition?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis import statistics, verdicts
from pytest_robustness.analysis.class_test import image_results
from pytest_robustness.analysis.findings import ClassFinding, ImageTest
from pytest_robustness.analysis.model_test import changes_of
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.tested_images import answered_in_both
from pytest_robustness.core import Panel

if TYPE_CHECKING:
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.core import Cell


def image_test(source: AnswerSource, cell: Cell, policy: TestPolicy) -> ImageTest:
    """Compare one model's answers, control against condition, overall and by class: McNemar's exact test."""
    _, before, after = answered_in_both(source, *pair(cell.model, cell.condition))
    result = statistics.mcnemar(before, after, alpha=policy.alpha)
    (change,) = changes_of(source, (cell.model,), cell.condition, policy)
    classes = enumerate(image_results(source, Panel(cell.condition, (cell.model,)), policy))
    return ImageTest(
        model=cell.model,
        condition=cell.condition,
        result=result,
        change=change,
        verdict=verdicts.judge_model(result, change, policy),
        classes=tuple(ClassFinding(i, source.class_names[i], found) for i, found in classes if found.n),
    )
