"""Warn of a condition under which nothing changed at all: a test that passes then says nothing of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.predictions import pair
from pytest_robustness.core import CONTROL
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Condition


def unchanged_warnings(
    predictions: StoredPredictions, models: Sequence[str], conditions: Sequence[Condition]
) -> Iterator[str]:
    """Yield a sentence for each condition that left every answer and every probability of all models as it was.

    A shift of less than half a pixel is none, and small images have no smaller one. That pixels stayed as they were is
    not known here: a model may look at nothing that the condition changes.
    """
    for condition in conditions:
        judged = [model for model in models if predictions.finished(pair(model, condition))]
        if condition == CONTROL or not judged or not all(_unchanged(predictions, model, condition) for model in judged):
            continue
        images = int(np.count_nonzero(predictions.answers(pair(judged[0], condition)[1]).readable))
        yield (
            f"{condition} changed no answer and no probability of {' and '.join(judged)} on "
            f"{counted(images, 'image')}: it changes no pixel of images as small or as even as these, or nothing that "
            f"a model looks at. A pass under it says no more than that. Take a higher severity or larger images, or "
            f"look at what it makes of them."
        )


def _unchanged(predictions: StoredPredictions, model: str, condition: Condition) -> bool:
    """Whether all figures of a model are those in control; where all of them are 0 or 1, nobody could tell."""
    control, treated = pair(model, condition)
    if not np.array_equal(predictions.outputs(control).predicted, predictions.outputs(treated).predicted):
        return False  # answers alone are quickly read
    before, after = predictions.scored(control), predictions.scored(treated)
    if not bool((before.probability < 1).any()):
        return False
    figures = ((before.probability, after.probability), (before.runner_up, after.runner_up))
    return all(np.array_equal(one, other, equal_nan=True) for one, other in figures)
