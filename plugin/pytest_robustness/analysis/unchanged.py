"""Find conditions under which nothing changed at all: a test that passes then may say nothing of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.predictions import pair
from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Condition


class Unchanged(NamedTuple):
    """A condition that left every figure as it was: the models that were judged, and the images that they read."""

    condition: Condition
    models: tuple[str, ...]
    positions: NDArray[np.int64]


def unchanged(
    predictions: StoredPredictions, models: Sequence[str], conditions: Sequence[Condition]
) -> Iterator[Unchanged]:
    """Yield each condition that left every answer and every probability of all models as it was.

    Whether the pixels stayed as they were, too, is not known here: a model may look at nothing that it changes.
    """
    for condition in conditions:
        judged = tuple(model for model in models if predictions.finished(pair(model, condition)))
        if condition == CONTROL or not judged or not all(_unchanged(predictions, model, condition) for model in judged):
            continue
        read = predictions.answers(pair(judged[0], condition)[1]).readable
        yield Unchanged(condition, judged, np.flatnonzero(read))


def _unchanged(predictions: StoredPredictions, model: str, condition: Condition) -> bool:
    """Whether all figures of a model are those in control."""
    control, treated = pair(model, condition)
    if not np.array_equal(predictions.outputs(control).predicted, predictions.outputs(treated).predicted):
        return False  # answers alone are quickly read
    before, after = predictions.scored(control), predictions.scored(treated)
    figures = ((before.probability, after.probability), (before.runner_up, after.runner_up))
    return all(np.array_equal(one, other, equal_nan=True) for one, other in figures)
