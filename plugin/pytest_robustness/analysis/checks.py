"""Check a run's answers before anything is concluded from them: is each model better than guessing?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import Outputs, StoredPredictions


class _Control(NamedTuple):
    """A model's right answers without any transform, on how many images of how many classes, and the share by chance.

    ``classes`` counts those that have images.
    """

    model: str
    correct: int
    n: int
    classes: int
    chance: float

    @property
    def like_guessing(self) -> bool:
        """Whether the right answers are not significantly more than chance gives; one class cannot be judged."""
        return self.classes > 1 and not statistics.above_chance(self.correct, self.n, self.chance)

    @property
    def wrong(self) -> bool:
        """Whether, besides, the images are enough to exclude a model of use."""
        return self.like_guessing and statistics.excludes_skill(self.correct, self.n, self.chance)

    @property
    def text(self) -> str:
        """The figures."""
        expected = f"{self.chance * self.n:.1f}".removesuffix(".0")
        return (
            f"{self.model} is right on {self.correct} of {self.n} images without any transform, where guessing is "
            f"right on {expected}"
        )


def chance_errors(predictions: StoredPredictions, models: Iterable[str]) -> dict[str, str]:
    """Return a message for each model that does no better than chance without any transform."""
    return {
        found.model: f"{found.text}: no better than chance for {found.classes} classes. Class order? Its outputs and "
        f"the folders of the data may be in different orders: give the model its class list."
        for found in _controls(predictions, models)
        if found.wrong
    }


def chance_warnings(predictions: StoredPredictions, models: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each model that cannot be told from guessing, because its images are few."""
    return tuple(
        f"{found.text}, so that it cannot be told from guessing: judge it on more images, and see that its class list "
        f"is in the order of its outputs."
        for found in _controls(predictions, models)
        if found.like_guessing and not found.wrong
    )


def _controls(predictions: StoredPredictions, models: Iterable[str]) -> Iterator[_Control]:
    for model in models:
        cell = Cell(model, CONTROL)
        if predictions.finished([cell]):
            outputs = predictions.outputs(cell)
            readable = outputs.predicted >= 0
            if readable.any():
                yield _control(model, predictions.labels[readable], _answers(outputs)[readable])


def _control(model: str, labels: NDArray[np.int64], answers: NDArray[np.int64]) -> _Control:
    right, chance = int((labels == answers).sum()), statistics.chance_agreement(labels, answers)
    return _Control(model, right, len(labels), len(np.unique(labels)), chance)


def _answers(outputs: Outputs) -> NDArray[np.int64]:
    """Return the class of the data that each answer names, and -1 where it names none: int64 [N]."""
    size = int(max(outputs.targets.max(), outputs.predicted.max())) + 1
    classes = np.full(size, -1, np.int64)
    classes[outputs.targets] = np.arange(len(outputs.targets))
    return classes[outputs.predicted]
