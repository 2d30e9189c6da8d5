"""The change of accuracy under a condition, averaged over the models: of each the mean over the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.statistics.crossed import crossed_interval
from pytest_robustness.analysis.test_result import Estimate
from pytest_robustness.analysis.tested_images import readable_by_all
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.core import Condition


def average_changes(source: AnswerSource, cells: Iterable[Cell]) -> dict[Condition, Estimate]:
    """Return, for each condition of ``cells``, the change of accuracy in points, averaged over its models.

    Of each model it is the mean over the classes, as its test judges it; with one size of class, the change of top-1
    accuracy. The 95 % interval is for other models on other images: both are samples. Images that a model could not
    read do not count, and copies of one once.
    """
    finished = set(cells)
    models: dict[Condition, list[str]] = {}
    for cell in finished:
        if cell.condition != CONTROL and Cell(cell.model, CONTROL) in finished:
            models.setdefault(cell.condition, []).append(cell.model)
    return {condition: _average(source, sorted(names), condition) for condition, names in models.items()}


def _average(source: AnswerSource, models: list[str], condition: Condition) -> Estimate:
    pairs = [(source.answers(Cell(m, CONTROL)), source.answers(Cell(m, condition))) for m in models]
    readable = readable_by_all(answers for both in pairs for answers in both) & source.distinct
    changes = np.stack([after.correct.view(np.int8) - before.correct.view(np.int8) for before, after in pairs])
    figures = crossed_interval(changes if readable.all() else changes[:, readable], _weights(source, models, readable))
    value, low, high = (100 * figure for figure in figures)
    # Of two models the interval would reach beyond what can happen to an accuracy.
    return Estimate(value, max(low, -100.0), min(high, 100.0))


def _weights(source: AnswerSource, models: list[str], readable: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return what each readable image counts in each model's mean; models with the same labels share one array."""
    labels = [source.labels_of(model) for model in models]
    distinct = {id(of_model): of_model for of_model in labels}
    weights = {identity: _by_class(of_model[readable]) for identity, of_model in distinct.items()}
    return [weights[id(of_model)] for of_model in labels]


def _by_class(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what an image counts, 1 on average, so that its class counts as much as any other: float64 [n]."""
    sizes: NDArray[np.int64] = np.bincount(labels)
    seen = int((sizes > 0).sum())
    return np.divide(len(labels), seen * sizes[labels], dtype=np.float64)
