"""Model test: does a condition change the accuracy of a model?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis import statistics, verdicts
from pytest_robustness.analysis.findings import ClassChange, ImageAccuracy, ModelTest
from pytest_robustness.analysis.image_evidence import model_changes, panel_changes
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.tested_images import tested_counts
from pytest_robustness.core import CONTROL, Cell, Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.analysis.test_result import ImageChange, TTestResult
    from pytest_robustness.core import Condition

_WORST = 10


def model_tests(
    source: AnswerSource, models: Sequence[str], condition: Condition, policy: TestPolicy
) -> dict[str, ModelTest]:
    """Test each of ``models`` under ``condition``: a t-test over its per-class accuracies, and its change by images.

    The models are one family: the p-values of their t-tests are corrected together.
    """
    control, treated = (accuracies(source, models, c) for c in (CONTROL, condition))
    changes = changes_of(source, models, condition, policy)
    images = class_sizes(source, models, condition)
    results = statistics.compare(control, treated, test=policy.test, alpha=policy.alpha, images=images)
    results = statistics.decide_by_images(results, [change.p_value for change in changes])
    results = statistics.adjust(results, policy.correction)
    rows = zip(models, results, changes, control, treated, strict=True)
    return {
        model: _model_test(source, Cell(model, condition), result, change, (before, after), policy)
        for model, result, change, before, after in rows
    }


def changes_of(
    source: AnswerSource, models: Sequence[str], condition: Condition, policy: TestPolicy
) -> list[ImageChange]:
    """Return what the images show of each model under ``condition``."""
    changed = [panel_changes(source, Panel(condition, (model,))) for model in models]
    return model_changes(changed, len(source.class_names), alpha=policy.alpha, margin=policy.margin)


def accuracies(source: AnswerSource, models: Sequence[str], condition: Condition) -> NDArray[np.float64]:
    """Return per-class accuracies in percent, copies once: float64 [models, C], NaN for a class without images."""
    counts = [tested_counts(source, Cell(model, condition)) for model in models]
    return statistics.accuracies(np.stack([c.correct for c in counts]), np.stack([c.n for c in counts]))


def class_sizes(source: AnswerSource, models: Sequence[str], condition: Condition) -> NDArray[np.int64]:
    """Return how many images of each class the fewer of control and ``condition`` are of: int64 [models, C]."""
    cells = (pair(model, condition) for model in models)
    return np.stack([np.minimum(*(tested_counts(source, cell).n for cell in both)) for both in cells])


def _model_test(
    source: AnswerSource,
    cell: Cell,
    result: TTestResult,
    change: ImageChange,
    by_class: tuple[NDArray[np.float64], NDArray[np.float64]],
    policy: TestPolicy,
) -> ModelTest:
    verdict = verdicts.judge_model(result, change, policy)
    control, treated = by_class
    return ModelTest(
        model=cell.model,
        condition=cell.condition,
        result=result,
        change=change,
        found=verdict.outcome,
        verdict=verdict,
        accuracy=ImageAccuracy(*(source.counts(c).top1 for c in pair(cell.model, cell.condition))),
        worst=tuple(
            ClassChange(i, source.class_names[i], float(control[i]), float(treated[i]))
            for i in largest_drops(control - treated, _WORST)
        ),
    )


def largest_drops(drops: NDArray[np.float64], most: int) -> list[int]:
    """Return the indices of the classes that dropped, the largest drop first, ties by index.

    Parameters
    ----------
    drops
        By class: float [C]; NaN for a class without images.
    most
        How many classes at most.
    """
    known = np.nan_to_num(drops)
    return [int(i) for i in np.argsort(-known, kind="stable")[:most] if known[i] > 0]
