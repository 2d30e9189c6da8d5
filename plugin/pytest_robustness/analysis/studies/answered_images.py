"""Read answers to images with and without labels, as signs of accuracy are read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.statistics.accuracy_regression import Conditions
from pytest_robustness.analysis.statistics.unlabelled_accuracy import Answered, Reference, mean_signs
from pytest_robustness.core import Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.unlabelled import UnlabelledImages


def sampled_conditions(
    reference: Reference,
    labelled: Mapping[Condition, tuple[Answered, NDArray[np.bool_]]],
    size: int,
    rng: np.random.Generator,
) -> tuple[Conditions, Conditions]:
    """Return signs and accuracy of each condition, over all its images and in one sample of ``size``."""
    transforms = tuple(condition.transform for condition in labelled)
    every, samples = [], []
    for answered, right in labelled.values():
        chosen = rng.permutation(len(right))[:size]
        every.append((mean_signs(reference, answered, size, rng), right.mean()))
        samples.append((reference.signs(answered.at(chosen)), right[chosen].mean()))
    known, sampled = (
        Conditions(np.array([signs for signs, _ in rows]), np.array([share for _, share in rows]), transforms)
        for rows in (every, samples)
    )
    return known, sampled


def labelled_answers(
    evidence: Evidence, model: str, others: Iterable[str], condition: Condition
) -> tuple[Answered, NDArray[np.bool_]]:
    """Return a model's answers to the labelled images that could be read, copies once, and which are right."""
    predictions = evidence.predictions
    scored = predictions.scored(Cell(model, condition))
    (predicted, targets), confidence = scored.outputs, scored.probability
    read = (predicted >= 0) & predictions.distinct
    own = _classes(evidence, model, predicted[read])
    theirs = [
        _classes(evidence, other, predictions.outputs(Cell(other, condition)).predicted[read]) for other in others
    ]
    right = (predicted == targets[predictions.labels_of(model)])[read]
    return _given(evidence, own, confidence[read], theirs), right


def unlabelled_answers(
    evidence: Evidence, unlabelled: UnlabelledImages, model: str, others: Iterable[str]
) -> tuple[NDArray[np.int64], Answered]:
    """Return the positions of the images without labels that could be read, copies once, and a model's answers."""
    answers = unlabelled.answers(model)
    read = np.flatnonzero((answers.predicted >= 0) & unlabelled.distinct(model))
    own = _classes(evidence, model, answers.predicted[read])
    theirs = [_classes(evidence, other, unlabelled.answers(other).predicted[read]) for other in others]
    return read, _given(evidence, own, answers.confidence[read], theirs)


def _classes(evidence: Evidence, model: str, outputs: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the class of the data that each output stands for; one that stands for none has a number behind these."""
    of_class = np.array(evidence.run_log.models[model].outputs, np.int64)
    size = int(max(of_class.max(initial=0), outputs.max(initial=0))) + 1
    classes = len(of_class) + np.arange(size, dtype=np.int64)
    classes[of_class] = np.arange(len(of_class))
    return classes[outputs]


def _given(
    evidence: Evidence, own: NDArray[np.int64], confidence: NDArray[np.float32], others: list[NDArray[np.int64]]
) -> Answered:
    """Return answers as signs are read from them: whatever is no class of the data counts as one more class."""
    agreement = np.mean([own == other for other in others], axis=0) if others else None
    return Answered(np.minimum(own, len(evidence.predictions.classes)), confidence.astype(np.float64), agreement)
