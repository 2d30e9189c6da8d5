"""How accurate is a model on images without labels? Learnt from the run's conditions, of which accuracy is known."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pytest_robustness.analysis.statistics.accuracy_regression import AccuracyModel, obstacle
from pytest_robustness.analysis.statistics.unlabelled_accuracy import SIGNS, Reference, mean_signs
from pytest_robustness.analysis.studies.answered_images import (
    labelled_answers,
    sampled_conditions,
    unlabelled_answers,
)
from pytest_robustness.analysis.study_finding import Curve, StudyFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.text import counted
from pytest_robustness.inference.run_log import StudyRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Panel
    from pytest_robustness.inference.unlabelled import UnlabelledImages

_FEWEST_IMAGES: Final = 50
_SIGN_NAMES: Final = {
    "confidence": "average confidence",
    "atc": "confidence above the threshold",
    "spread": "spread of the answers over the classes",
    "shift": "shift of the answers between the classes",
    "agreement": "agreement with the other models",
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Learnt:
    """What was learnt from a model's conditions, and the signs of the images without labels.

    ``published`` are the estimates by average confidence, difference of confidences and ATC: float64 [3].
    """

    model: AccuracyModel
    reference: Reference
    conditions: tuple[Condition, ...]
    signs: NDArray[np.float64]
    published: NDArray[np.float64]
    images: int


class EstimatedAccuracy:
    """Estimates a model's accuracy on images without labels."""

    name: ClassVar = "estimated_accuracy"
    title: ClassVar = "Estimated accuracy"
    about: ClassVar = (
        "How accurate is each model on images without labels (--robustness-unlabelled)? Every transform at every "
        "severity is a version of the labelled images of which accuracy is known. From these a regression learns how "
        "accuracy goes with what needs no label: how often the models agree, how the answers spread over the classes, "
        "how sure they are. Its error is that on transforms that were held out, with all their severities; the "
        "interval follows from it. A model passes where the interval lies above its control accuracy less the margin. "
        "It is taken for granted that the images show the same classes, about as often; images that look unlike all "
        "that was fitted get no estimate. Average confidence, difference of confidences and ATC are the published "
        "estimates by confidence alone."
    )
    columns: ClassVar[Mapping[str, str]] = {
        "estimate": "estimated accuracy (%)",
        "low": "from (%)",
        "high": "to (%)",
        "control": "control accuracy (%)",
        "average_confidence": "average confidence (%)",
        "difference_of_confidences": "by difference of confidences (%)",
        "atc": "by ATC (%)",
        "rmse": "error on held-out transforms (points, RMSE)",
        "signs": "learnt from",
        "conditions": "conditions",
        "images": "images",
    }
    # Its findings are all in control: there is no table of models and conditions.
    main: ClassVar[str] = ""
    item_name: ClassVar = "conditions"
    item_columns: ClassVar[Mapping[str, str]] = {
        "transform": "transform",
        "severity": "severity",
        "accuracy": "accuracy (%)",
        "held_out": "estimated without this transform (%)",
        **{name: f"{text} (%)" for name, text in _SIGN_NAMES.items()},
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Estimate the accuracy of the model of ``request``, a cell in control.

        Raises
        ------
        RobustnessError
            When the model cannot be run, or the images cannot be read.
        """
        if not isinstance(request, Cell):
            raise TypeError("accuracy is estimated of one model: pass a Cell")
        if evidence.unlabelled is None:
            return self._refused(request, "no images to estimate it on: name them with --robustness-unlabelled=SPEC")
        if not evidence.predictions.labelled:
            return self._refused(request, "nothing to learn it from: the run goes without labels")
        cells = evidence.run_log.studied.get(StudyRequest(self.name, request)) or _cells(evidence, request)
        evidence.compute(cells)
        evidence.run_log.require(request)
        learnt = _learnt(evidence, evidence.unlabelled, request.model, cells)
        return self._refused(request, learnt) if isinstance(learnt, str) else self._found(evidence, request, learnt)

    def _found(self, evidence: Evidence, request: Cell, learnt: _Learnt) -> StudyFinding:
        model, policy, control = learnt.model, evidence.policy, 100 * learnt.reference.accuracy
        estimate = 100 * model.estimate(learnt.signs)
        low, high = (100 * end for end in model.interval(learnt.signs, 1 - 2 * policy.alpha))
        level = f"{100 - 200 * policy.alpha:g} % interval {low:.1f} to {high:.1f} %"
        error = f"on transforms that were held out the estimate is off by {100 * model.rmse:.1f} points (RMSE)"
        beyond = _unlike(learnt)
        verdict = evidence.judge.with_skill(request.model, _verdict(low, high, control, policy))
        name = f"{request.model} on {_name(evidence)}"
        headline = f"{name}: estimated {estimate:.1f} % right, {level}; {control:.1f} % in control"
        if beyond:
            verdict, headline = Verdict(Outcome.INCONCLUSIVE, beyond), f"{name}: no estimate, because it is {beyond}"
        average, difference, atc = (100 * learnt.published).tolist()
        by_confidence = (
            f"by confidence alone: average confidence {average:.1f} %, difference of confidences {difference:.1f} %, "
            f"ATC {atc:.1f} %"
        )
        return StudyFinding(
            study=self.name,
            models=(request.model,),
            condition=CONTROL,
            verdict=verdict,
            headline=headline,
            figures={
                "estimate": None if beyond else estimate,
                "low": None if beyond else low,
                "high": None if beyond else high,
                "control": control,
                "average_confidence": average,
                "difference_of_confidences": difference,
                "atc": atc,
                "rmse": 100 * model.rmse,
                "signs": ", ".join(_SIGN_NAMES[sign] for sign in model.regression.signs),
                "conditions": len(learnt.conditions),
                "images": learnt.images,
            },
            details=(
                f"learnt from {len(learnt.conditions)} conditions: {error}",
                by_confidence,
                "assumed: the images show the classes of the labelled data, about as often",
                "--robustness-margin decides how far below control accuracy is accepted",
            ),
            items=_items(learnt),
            curves=(_curve(request.model, model),),
        )

    def _refused(self, request: Cell, why: str) -> StudyFinding:
        return StudyFinding(
            study=self.name,
            models=(request.model,),
            condition=CONTROL,
            verdict=Verdict(Outcome.INCONCLUSIVE, why),
            headline=f"{request.model}: accuracy is not estimated: {why}",
            figures=dict.fromkeys(self.columns),
        )


def _cells(evidence: Evidence, request: Cell) -> tuple[Cell, ...]:
    """Return every model of the study, ``request``'s first, under every transform at every severity, and control."""
    planned = evidence.planned.get(EstimatedAccuracy.name, ())
    models = dict.fromkeys((request.model, *(cell.model for cell in planned if isinstance(cell, Cell))))
    registry = evidence.registry
    conditions = [
        Condition(name, severity) for name in registry.names() for severity in registry.get(name).severities or (None,)
    ]
    return tuple(Cell(model, condition) for model in models for condition in (CONTROL, *conditions))


def _learnt(evidence: Evidence, unlabelled: UnlabelledImages, model: str, cells: tuple[Cell, ...]) -> _Learnt | str:
    """Return what was learnt about ``model`` from ``cells``, or why nothing was."""
    log = evidence.run_log
    unlabelled.compute(dict.fromkeys(cell.model for cell in cells))
    others = [other for other in dict.fromkeys(cell.model for cell in cells) if other != model]
    usable = [other for other in others if other in log.unlabelled]
    conditions = [cell.condition for cell in cells if cell.model == model and log.finished(cell)]
    shared = [c for c in conditions if all(log.finished(Cell(other, c)) for other in usable)]
    few = obstacle([condition.transform for condition in shared])
    if few:
        return few
    images, given = unlabelled_answers(evidence, unlabelled, model, usable)
    if len(images) < _FEWEST_IMAGES:
        return f"{counted(len(images), 'image is', 'images are')} too few: it takes {_FEWEST_IMAGES}"
    labelled = {condition: labelled_answers(evidence, model, usable, condition) for condition in shared}
    control, right = labelled[CONTROL]
    if not right.any():
        return "the model is right on no image in control"
    reference = Reference.of(control, right, len(evidence.predictions.classes) + 1)
    rng = np.random.default_rng(evidence.options.seed)
    size = min(len(images), len(right))
    model_of_accuracy = AccuracyModel.of(*sampled_conditions(reference, labelled, size, rng))
    published = [given.confidence.mean(), reference.difference_of_confidences(given), reference.atc(given)]
    return _Learnt(
        model_of_accuracy,
        reference,
        tuple(shared),
        mean_signs(reference, given, size, rng),
        np.array(published, np.float64),
        len(images),
    )


def _unlike(learnt: _Learnt) -> str:
    """Return in what the images without labels are unlike the fitted conditions; empty where they are not."""
    outside = [_SIGN_NAMES[sign] for sign in learnt.model.beyond(learnt.signs)]
    if outside:
        return f"unlike all that was fitted in its {' and '.join(outside)}"
    if learnt.model.unusual(learnt.signs):
        how = "how confidence and the classes of the answers go together"
        return f"unlike what was fitted in {how}; are other classes frequent?"
    return ""


def _verdict(low: float, high: float, control: float, policy: TestPolicy) -> Verdict:
    limit = control - policy.margin
    what = f"control accuracy less {policy.margin:g} points ({limit:.1f} %)"
    if low >= limit:
        return Verdict(Outcome.PASS, f"the interval lies above {what}: {low:.1f} to {high:.1f} %")
    if high < limit:
        return Verdict(Outcome.FAIL, f"the interval lies below {what}: {low:.1f} to {high:.1f} %")
    return Verdict(Outcome.INCONCLUSIVE, f"the interval holds {what}: {low:.1f} to {high:.1f} %")


def _items(learnt: _Learnt) -> tuple[Mapping[str, Figure], ...]:
    samples = learnt.model.samples
    rows = zip(learnt.conditions, samples.accuracy, learnt.model.held_out, samples.signs, strict=True)
    return tuple(
        {
            "transform": condition.transform,
            "severity": condition.severity,
            "accuracy": 100 * float(accuracy),
            "held_out": 100 * float(held_out),
            **{name: None if np.isnan(sign) else 100 * float(sign) for name, sign in zip(SIGNS, signs, strict=True)},
        }
        for condition, accuracy, held_out, signs in rows
    )


def _curve(name: str, model: AccuracyModel) -> Curve:
    order = np.argsort(model.samples.accuracy, kind="stable")
    return Curve(
        name=name,
        x=tuple((100 * model.samples.accuracy[order]).tolist()),
        y=tuple((100 * model.held_out[order]).tolist()),
        x_title="accuracy (%)",
        y_title="estimated without the transform (%)",
        diagonal=True,
    )


def _name(evidence: Evidence) -> str:
    return "" if evidence.unlabelled is None else evidence.unlabelled.name
