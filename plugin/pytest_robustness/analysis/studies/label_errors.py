"""Which images are labelled wrongly? Those that all models answer, surely, as one other class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pytest_robustness.analysis.predictions import readable_by_all
from pytest_robustness.analysis.studies.label_scores import (
    Member,
    answered_classes,
    confident_thresholds,
    estimated_precision,
    label_scores,
    suspects,
)
from pytest_robustness.analysis.study_finding import StudyFinding, StudyPicture
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.core.naming import short_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.studies.label_scores import LabelScores, Precision
    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Condition

LIKELY: Final = 0.5
"""The test fails where more of the listed images than this share are estimated to be labelled wrongly."""

_SHOWN = 5


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
        "to be wrong. Models that were trained on the images they judge have learnt the wrong labels and find few."
    )
    columns: ClassVar[Mapping[str, str]] = {
        "images": "images",
        "models_used": "models",
        "conditions": "conditions",
        "contradicted": "answered by all as one other class",
        "listed": "listed",
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
        asked = request.models if isinstance(request, Panel) else (request.model,)
        evidence.compute(Cell(model, CONTROL) for model in asked)
        models = tuple(model for model in asked if evidence.run_log.finished(Cell(model, CONTROL)))
        if not models:
            evidence.run_log.require(*(Cell(model, CONTROL) for model in asked))
        predictions = evidence.predictions
        evidence.require_labels(self.name)
        conditions = mild_conditions(evidence, models)
        where, members = _members(predictions, [Cell(model, c) for model in models for c in conditions])
        labels = predictions.labels[where]
        scores = label_scores(members, labels)
        thresholds = confident_thresholds(scores.self_confidence, labels, len(predictions.class_names))
        found = suspects(scores, labels, thresholds)
        precision = estimated_precision(scores, labels, thresholds)
        shown = found[: evidence.options.suspects]
        rows = _Rows(evidence, models, where, labels, scores, thresholds)
        left_out = [model for model in asked if model not in models]
        contradicted = int(((scores.answer >= 0) & (scores.answer != labels)).sum())
        return StudyFinding(
            study=self.name,
            models=models,
            condition=CONTROL,
            verdict=_verdict(len(found), precision, len(labels), models, left_out),
            headline=_headline(len(found), len(labels), precision),
            figures={
                "images": len(labels),
                "models_used": len(models),
                "conditions": len(members) // len(models),
                "contradicted": contradicted,
                "listed": len(found),
                "precision": 100 * precision.value,
                "precision_low": 100 * precision.low,
                "precision_high": 100 * precision.high,
                "recall": 100 * precision.recall,
            },
            details=tuple(_details(rows.items(shown), len(found), left_out)),
            items=tuple(rows.items(shown)),
            pictures=tuple(rows.pictures(shown)),
        )


class _Rows:
    """Describes suspects, by their place among the images that could be read."""

    def __init__(
        self,
        evidence: Evidence,
        models: Sequence[str],
        where: NDArray[np.int64],
        labels: NDArray[np.int64],
        scores: LabelScores,
        thresholds: NDArray[np.float64],
    ) -> None:
        self._names = evidence.predictions.class_names
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
            yield {
                "rank": rank,
                "file": file,
                "position": int(self._where[i]),
                "class": self._names[self._labels[i]],
                "answer": self._names[answer],
                "self_confidence": float(scores.self_confidence[i]),
                "margin": float(scores.margin[i]),
                "answer_probability": float(scores.answer_probability[i]),
                "threshold": float(self._thresholds[answer]),
                "agree": len(self._models),
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


def _members(predictions: StoredPredictions, cells: Sequence[Cell]) -> tuple[NDArray[np.int64], list[Member]]:
    """Return the positions of the images that could be read in all cells, and what each cell says of them."""
    where = np.flatnonzero(readable_by_all(predictions.answers(cell) for cell in cells))
    members = []
    for scored in map(predictions.scored, cells):
        answer = answered_classes(scored.outputs.predicted, scored.outputs.targets)[where]
        probabilities = (scored.probability, scored.runner_up, scored.true_probability)
        members.append(Member(answer, *(column[where].astype(np.float64) for column in probabilities)))
    return where, members


def _verdict(listed: int, precision: Precision, images: int, models: Sequence[str], left_out: Sequence[str]) -> Verdict:
    found = f"{_images(listed)} of {images:,} listed"
    wrong = f"{_percent(precision.value)} of them estimated to be wrong"
    if listed and precision.value > LIKELY:
        interval = f"95 % interval {_percent(precision.low)} to {_percent(precision.high)}"
        return Verdict(Outcome.FAIL, f"{found}, {wrong} ({interval})")
    if listed:
        return Verdict(Outcome.INCONCLUSIVE, f"{found}, no more than {wrong}: most are mistakes of the models")
    if left_out:
        return Verdict(Outcome.INCONCLUSIVE, f"no image listed, but {', '.join(left_out)} could not be run")
    if not precision.recall > LIKELY:
        seen = "no wrong label" if np.isnan(precision.recall) else f"{_percent(precision.recall)} of wrong labels"
        return Verdict(Outcome.INCONCLUSIVE, f"no image listed, but only {seen} would be, of {images:,} images")
    who = "the model" if len(models) == 1 else f"all {len(models)} models"
    reason = f"no image of {images:,} is surely of another class to {who}; {_percent(precision.recall)} of wrong labels"
    return Verdict(Outcome.PASS, f"{reason} would be listed")


def _headline(listed: int, images: int, precision: Precision) -> str:
    if not listed:
        return f"No image of {images:,} seems to be labelled wrongly"
    seem = "seems" if listed == 1 else "seem"
    estimated = f"about {_percent(precision.value)} of the list by estimate"
    return f"{_images(listed)} of {images:,} {seem} to be labelled wrongly: {estimated}"


def _details(items: Iterator[dict[str, Figure]], listed: int, left_out: Sequence[str]) -> Iterator[str]:
    if listed:
        yield f"  {'label p':>7}  {'label':<20} {'answered':<20} image"
        for item in list(items)[:_SHOWN]:
            yield f"  {item['self_confidence']:7.4f}  {item['class']!s:<20} {item['answer']!s:<20} {item['file']}"
        if listed > _SHOWN:
            yield f"  {'':>7}  and {listed - _SHOWN} more; the list of the report has up to --robustness-suspects"
    if left_out:
        yield f"  could not be run: {', '.join(short_names(left_out).values())}"
    yield "  assumed: wrong labels fall on any image of a class alike, and no model was trained on these labels"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
