"""Model test: is a model impacted by a condition?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis import statistics, verdicts
from pytest_robustness.analysis.findings import ClassChange, ImageAccuracy, ModelTest, largest_drops
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.statistics.equivalence import equivalence
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.analysis.test_result import TTestResult
    from pytest_robustness.core import Condition

_WORST = 10


def model_tests(
    source: AnswerSource, models: Sequence[str], condition: Condition, policy: TestPolicy
) -> dict[str, ModelTest]:
    """Test each of ``models`` under ``condition``: a t-test over its per-class accuracies, control against condition.

    The models are one family: their p-values are corrected together.
    """
    control, treated = (accuracies(source, models, c) for c in (CONTROL, condition))
    results = statistics.compare(control, treated, test=policy.test, alpha=policy.alpha)
    results = statistics.adjust(results, policy.correction)
    return {
        model: _model_test(source, Cell(model, condition), result, (before, after), policy)
        for model, result, before, after in zip(models, results, control, treated, strict=True)
    }


def accuracies(source: AnswerSource, models: Sequence[str], condition: Condition) -> NDArray[np.float64]:
    """Return per-class accuracies in percent: float64 [models, C], NaN for a class without images."""
    counts = [source.counts(Cell(model, condition)) for model in models]
    return statistics.accuracies(np.stack([c.correct for c in counts]), np.stack([c.n for c in counts]))


def _model_test(
    source: AnswerSource,
    cell: Cell,
    result: TTestResult,
    by_class: tuple[NDArray[np.float64], NDArray[np.float64]],
    policy: TestPolicy,
) -> ModelTest:
    margin = policy.equivalence
    within = None if margin is None else equivalence(result, margin, alpha=policy.alpha)
    verdict = verdicts.judge_model(result, policy.alpha) if within is None else within.verdict
    control, treated = by_class
    return ModelTest(
        model=cell.model,
        condition=cell.condition,
        result=result,
        found=verdict.outcome,
        verdict=verdict,
        accuracy=ImageAccuracy(*(source.counts(c).top1 for c in pair(cell.model, cell.condition))),
        worst=tuple(
            ClassChange(i, source.class_names[i], float(control[i]), float(treated[i]))
            for i in largest_drops(control - treated, _WORST)
        ),
        equivalence=within,
    )
