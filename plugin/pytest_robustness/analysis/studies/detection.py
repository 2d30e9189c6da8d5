"""Measure how well transformed images are told from others by what models answered to each image alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.statistics.answer_shift import AnswerShift, answer_scores, answer_shift
from pytest_robustness.analysis.statistics.calibration import Calibration, calibration
from pytest_robustness.analysis.statistics.discrimination import (
    Discrimination,
    LargestDistance,
    PairedScores,
    auroc,
    discriminate,
    kolmogorov_smirnov,
    log_odds,
    mean_scores,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Cell, Condition

    Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


BOUND: Final = 0.6
"""The AUROC beyond which a transform counts as detectable.

Of a transformed image and another the score then picks the transformed one in six pairs of ten. With normal scores of
equal spread, the best threshold is right about a single image in 57 of 100 cases, where guessing is in 50.
"""


@dataclasses.dataclass(frozen=True)
class Detection:
    """How well images under a condition are told from the same images in control.

    ``images`` is how many all models read both ways. ``confidence`` and ``answer`` need no label: the probability of
    the answer, and which class it names. ``label`` is the probability of the true class. ``confidence_distance`` and
    ``label_distance`` compare the distributions of these scores. ``shift`` says how far the
    answers moved between classes, ``calibrations`` how each model is calibrated in control and under the condition, and
    ``aurocs`` what the confidence of each model tells by itself.
    """

    models: tuple[str, ...]
    condition: Condition
    images: int
    confidence: Discrimination
    answer: Discrimination
    label: Discrimination
    confidence_distance: LargestDistance
    label_distance: LargestDistance
    shift: AnswerShift
    calibrations: tuple[tuple[Calibration, Calibration], ...]
    aurocs: tuple[float, ...]

    @property
    def without_labels(self) -> dict[str, Discrimination]:
        """What is told without labels, by what it is told from."""
        return {"confidence": self.confidence, "answers": self.answer}

    @property
    def best(self) -> str | None:
        """The score without labels that tells most, before others one beyond the bound; ``None`` of too few images."""
        told = {name: score for name, score in self.without_labels.items() if score.conclusive}
        return max(told, key=lambda name: (told[name].beyond(BOUND), told[name].distance), default=None)

    @property
    def labelled(self) -> bool:
        """Whether the images have labels."""
        return all(both[0].n > 0 for both in self.calibrations)

    def calibrated(self, name: str) -> tuple[float, float]:
        """Return a figure of `Calibration` in control and under the condition: its mean over the models."""
        control, treated = (
            np.mean([getattr(one, name) for one in group]) for group in zip(*self.calibrations, strict=True)
        )
        return float(control), float(treated)


class _Answered(NamedTuple):
    """What one model answered under one condition to the images that count: [n] each, ``label`` NaN without a label."""

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    label: NDArray[np.float64]
    correct: NDArray[np.bool_]


def detect(
    predictions: StoredPredictions, models: Sequence[str], condition: Condition, *, alpha: float, seed: int
) -> Detection:
    """Measure how well images under ``condition`` are told from the same images in control.

    Several models are taken together: the mean over them of the log-odds of the answer (see `mean_scores`), of those of
    the true class, and of what the answers speak for. One model's probabilities are taken as they are.

    Parameters
    ----------
    predictions
        Where the finished cells are read.
    models, condition
        Whose cells.
    alpha
        The intervals have the level 1 - alpha.
    seed
        Of random swaps, and of the half of the images from which it is learned what answers speak for.
    """
    cells = [pair(model, condition) for model in models]
    read = np.logical_and.reduce([predictions.outputs(cell).predicted >= 0 for both in cells for cell in both])
    read &= predictions.distinct
    answered = [(_answered(predictions, control, read), _answered(predictions, cell, read)) for control, cell in cells]
    confidence = [(control.confidence, treated.confidence) for control, treated in answered]
    speaking = [answer_scores(control.predicted, treated.predicted, seed=seed) for control, treated in answered]
    by_confidence = PairedScores.of(*_together(confidence))
    by_label = PairedScores.of(*_together([(control.label, treated.label) for control, treated in answered]))
    return Detection(
        models=tuple(models),
        condition=condition,
        images=int(read.sum()),
        confidence=discriminate(by_confidence, alpha=alpha),
        answer=discriminate(PairedScores.of(*np.mean(speaking, axis=0)), alpha=alpha),
        label=discriminate(by_label, alpha=alpha),
        confidence_distance=kolmogorov_smirnov(by_confidence, seed=seed),
        label_distance=kolmogorov_smirnov(by_label, seed=seed),
        shift=AnswerShift.mean(
            [answer_shift(control.predicted, treated.predicted, seed=seed) for control, treated in answered]
        ),
        calibrations=tuple((_calibration(control), _calibration(treated)) for control, treated in answered),
        aurocs=tuple(auroc(PairedScores.of(*scores)) for scores in confidence),
    )


def _answered(predictions: StoredPredictions, cell: Cell, read: NDArray[np.bool_]) -> _Answered:
    """Return a model's answers under one condition to the images that are ``read`` (bool [N])."""
    scored = predictions.scored(cell)
    labels = predictions.labels[read]
    predicted = scored.outputs.predicted[read].astype(np.int64)
    # Images without a label have a negative one.
    label = np.where(labels < 0, np.nan, scored.true_probability[read].astype(np.float64))
    correct = predicted == scored.outputs.targets[np.maximum(labels, 0)]
    return _Answered(predicted, scored.probability[read].astype(np.float64), label, correct)


def _together(by_model: Sequence[Pair]) -> Pair:
    """Return one model's probabilities as they are, or the mean log-odds of several."""
    if len(by_model) == 1:
        return by_model[0]
    return mean_scores([(log_odds(control), log_odds(treated)) for control, treated in by_model])


def _calibration(answered: _Answered) -> Calibration:
    return calibration(np.where(np.isnan(answered.label), np.nan, answered.confidence), answered.correct)
