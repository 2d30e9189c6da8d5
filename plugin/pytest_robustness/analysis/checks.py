"""Checks of a run's answers before anything is concluded from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis import statistics
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.predictions import StoredPredictions


def chance_errors(predictions: StoredPredictions, models: Iterable[str]) -> dict[str, str]:
    """Return a message for each model that does no better than chance without any transform."""
    messages = {
        model: _chance_error(predictions, model) for model in models if predictions.finished([Cell(model, CONTROL)])
    }
    return {model: message for model, message in messages.items() if message is not None}


def _chance_error(predictions: StoredPredictions, model: str) -> str | None:
    n, correct = (int(count.sum()) for count in predictions.counts(Cell(model, CONTROL)))
    classes = len(predictions.classes)
    if statistics.above_chance(correct, n, classes):
        return None
    return (
        f"{model} is right on {correct} of {n} images without any transform, no better than chance for {classes} "
        f"classes. Class order? Its outputs and the folders of the data may be in different orders: give the model "
        f"its class list."
    )
