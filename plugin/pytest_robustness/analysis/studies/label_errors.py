"""Which images are labelled wrongly? Those that all models answer, surely, as one other class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_robustness.analysis.studies.label_errors_text import Found, details, headline, verdict
from pytest_robustness.analysis.studies.label_scores import (
    Member,
    answered_classes,
    confident_thresholds,
    estimated_precision,
    label_scores,
    suspects,
    unjudged,
)
from pytest_robustness.analysis.study_finding import StudyFinding, StudyPicture
from pytest_robustness.analysis.tested_images import readable_by_all
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.inference.loading.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.studies.label_scores import LabelScores
    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Condition


class LabelErrors:
    """The study ``label_errors``: images whose label all models contradict."""

    name: ClassVar[str] = "label_errors"
    title: ClassVar[str] = "Label errors"
    about: ClassVar[str] = (
        "Which images are labelled wrongly? Self-confidence is the probability that models give an image's label, the "
        "normalized margin that less the probability of the likeliest other class, as in confident learning; both are "
        "means over the models, under control and those transforms of the run that cost them less than the margin. An "
        "image is listed where all answer the same other class and reach that class's threshold, the mean "
        "self-confidence of its own images; the list is ranked by self-confidence. A model's own mistakes are listed "
        "too where they are as sure: the precision is estimated from how sure the answers are, on the assumption that "
        "wrong labels fall on any image of a class alike. A test fails where more than half of the list is estimated "
        "to be wrong. An image that all answer as a class without images of its own cannot be judged so: it is shown "
        "after the list, and no test passes then. Models that were trained on the images they judge have learnt the "
        "wrong labels and find few."
    )
    columns: ClassVar[Mapping[str, str]] = {
        "images": "images",
        "models_used": "models",
        "conditions": "conditions",
        "contradicted": "answered by all as one other class",
        "listed": "listed",
        "unjudged": "answered as a class without images, not judged",
        "precision": "estimated precision, %",
        "precision_low": "low",
        "precision_high": "high",
        "recall": "wrong labels that would be listed, %",
    }
    main: ClassVar[str] = ""
    item_name: ClassVar[str] = "images"
    item_columns: ClassVar[Mapping[str, str]] = {
        "rank": "rank",
        "file": "image",
        "position": "position",
        "class": "label",
        "answer": "answered",
        "self_confidence": "self-confidence",
        "margin": "normalized margin",
        "answer_probability": "probability of the answer",
        "threshold": "threshold of the answer",
        "agree": "models that agree",
        "judged": "judged by a threshold",
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """List the images whose label the models of ``request`` contradict.

        Raises
        ------
        OptionError
            When the images have no labels.
        RobustnessError
            When none of the models could be run.
        """
        asked = request.models
        models = evidence.able({model: [Cell(model, CONTROL)] for model in asked})
        predictions = evidence.predictions
        evidence.require_labels(self.name)
        conditions = mild_conditions(evidence, models)
        where, members, names = _members(predictions, [Cell(model, c) for model in models for c in conditions])
        labels = predictions.labels[where]
        scores = label_scores(members, labels)
        thresholds = confident_thresholds(scores.self_confidence, labels, len(names))
        listed, open_ = suspects(scores, labels, thresholds), unjudged(scores, thresholds)
        precision = estimated_precision(scores, labels, thresholds)
        most = evidence.options.suspects
        shown = np.concatenate([listed[:most], open_[:most]])
        rows = _Rows(evidence, models, where, labels, scores, thresholds, names)
        items = tuple(rows.items(shown))
        imageless = [names[answer] for answer in np.unique(scores.answer[open_]).tolist()]
        left_out = [model for model in asked if model not in models]
        found = Found(len(labels), len(listed), len(open_), imageless, precision, models, left_out)
        return StudyFinding(
            study=self.name,
            models=models,
            condition=CONTROL,
            verdict=verdict(found),
            headline=headline(found),
            figures={
                "images": len(labels),
                "models_used": len(models),
                "conditions": len(members) // len(models),
                "contradicted": int(((scores.answer >= 0) & (scores.answer != labels)).sum()),
                "listed": len(listed),
                "unjudged": len(open_),
                "precision": _percentage(precision.value),
                "precision_low": _percentage(precision.low),
                "precision_high": _percentage(precision.high),
                "recall": _percentage(precision.recall),
            },
            details=tuple(details(found, items[: len(listed[:most])], items[len(listed[:most]) :])),
            items=items,
            pictures=tuple(rows.pictures(shown)),
        )


class _Rows:
    """Describes images, by their place among the images that could be read."""

    def __init__(
        self,
        evidence: Evidence,
        models: Sequence[str],
        where: NDArray[np.int64],
        labels: NDArray[np.int64],
        scores: LabelScores,
        thresholds: NDArray[np.float64],
        names: Sequence[str],
    ) -> None:
        self._names = names
        self._files = evidence.names
        self._images = len(evidence.predictions.labels)
        self._models = models
        self._where = where
        self._labels = labels
        self._scores = scores
        self._thresholds = thresholds

    def items(self, found: NDArray[np.int64]) -> Iterator[dict[str, Figure]]:
        """Yield a row for each."""
        scores = self._scores
        files = self._files.of(self._where[found], self._images)
        for rank, (i, file) in enumerate(zip(found.tolist(), files, strict=True), 1):
            answer = int(scores.answer[i])
            judged = bool(np.isfinite(self._thresholds[answer]))
            yield {
                "rank": rank,
                "file": file,
                "position": int(self._where[i]),
                "class": self._names[self._labels[i]],
                "answer": self._names[answer],
                "self_confidence": float(scores.self_confidence[i]),
                "margin": float(scores.margin[i]),
                "answer_probability": float(scores.answer_probability[i]),
                "threshold": float(self._thresholds[answer]) if judged else None,
                "agree": len(self._models),
                "judged": judged,
            }

    def pictures(self, found: NDArray[np.int64]) -> Iterator[StudyPicture]:
        """Yield a picture for each."""
        for i in found.tolist():
            label, answer = self._names[self._labels[i]], self._names[self._scores.answer[i]]
            caption = f"labelled {label}, answered {answer}"
            yield StudyPicture(int(self._where[i]), CONTROL, self._models[0], caption)


def mild_conditions(evidence: Evidence, models: Sequence[str]) -> tuple[Condition, ...]:
    """Return control, and the planned conditions of the run that cost ``models`` less than the margin on the whole."""

    def accuracy(condition: Condition) -> float:
        return float(np.mean([evidence.predictions.counts(Cell(model, condition)).top1 for model in models]))

    planned = evidence.run_log.plan.conditions_of_all()
    finished = [c for c in planned if evidence.run_log.finished(*(Cell(model, c) for model in models))]
    lowest = accuracy(CONTROL) - evidence.policy.margin
    return CONTROL, *(c for c in finished if c != CONTROL and accuracy(c) > lowest)


def _members(
    predictions: StoredPredictions, cells: Sequence[Cell]
) -> tuple[NDArray[np.int64], list[Member], tuple[str, ...]]:
    """Return the positions of the images that could be read in all cells, what each cell says of them, and names.

    These name the answers: the classes of the data, and after them the outputs that stand for none and that a model
    answers, by the name of which those of different models are one.
    """
    where = np.flatnonzero(readable_by_all(predictions.answers(cell) for cell in cells))
    numbers: dict[str, int] = {}
    members = []
    for scored in map(predictions.scored, cells):
        predicted, targets = scored.outputs
        answer = answered_classes(predicted, targets)[where]
        named = answer_naming(targets, predictions.classes, predictions.class_names)
        outputs = predicted[where]
        for output in np.unique(outputs[answer < 0]).tolist():
            number = numbers.setdefault(named(output), len(predictions.class_names) + len(numbers))
            answer[outputs == output] = number
        probabilities = (scored.probability, scored.runner_up, scored.true_probability)
        members.append(Member(answer, *(column[where].astype(np.float64) for column in probabilities)))
    return where, members, (*predictions.class_names, *numbers)


def _percentage(share: float) -> float | None:
    """Return a share in percent, nothing where it is not defined."""
    return None if math.isnan(share) else 100 * share
