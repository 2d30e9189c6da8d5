"""Which transforms can a model detect? Whether an image was transformed, judged by what models answer to it alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.statistics.paired_change import rounded_up
from pytest_robustness.analysis.studies.detection import BOUND, detect
from pytest_robustness.analysis.studies.detection_text import auroc_text, details, headline, side
from pytest_robustness.analysis.study_finding import Curve, StudyFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_robustness.analysis.statistics.calibration import Calibration
    from pytest_robustness.analysis.statistics.discrimination import Discrimination
    from pytest_robustness.analysis.studies.detection import Detection
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Panel


class Detectable:
    """The study ``detectable``: whether an image was transformed, judged by what models answer to it alone."""

    name: ClassVar[str] = "detectable"
    title: ClassVar[str] = "Detectable transforms"
    about: ClassVar[str] = (
        "Can a model that was trained for something else see that an image was transformed? Two scores that need no "
        "label are to tell transformed images from others, one image at a time: how sure the model is of its answer, "
        "and which class it answers. The AUROC is the chance that a score ranks a random transformed image and a "
        "random other one rightly: 0.5 tells nothing, 1 tells all. A test fails where the interval of either score "
        f"lies beyond {BOUND:g}, passes where both lie within it, and is inconclusive otherwise. The same images stand "
        "on both sides, which intervals and p-values take into account. With labels, the probability of the true class "
        "is a third score, which decides nothing, and calibration shows whether confidence still means what it says. "
        "What is not detected here may be by a detector that is trained for it."
    )
    columns: ClassVar[Mapping[str, str]] = {
        "best_auroc": "AUROC of the score that tells more",
        "images": "images",
        "auroc": "AUROC, confidence",
        "auroc_low": "low",
        "auroc_high": "high",
        "side": "transformed images",
        "ks": "KS distance",
        "p": "p",
        "answer_auroc": "AUROC, answers",
        "answer_auroc_low": "low",
        "answer_auroc_high": "high",
        "answers_moved": "answers moved, %",
        "answers_by_chance": "moved by chance, %",
        "answers_p": "p of the move",
        "label_auroc": "AUROC with labels",
        "label_auroc_low": "low",
        "label_auroc_high": "high",
        "label_ks": "KS distance with labels",
        "label_p": "p with labels",
        "accuracy_control": "accuracy in control, %",
        "accuracy_treated": "accuracy transformed, %",
        "confidence_control": "mean confidence in control, %",
        "confidence_treated": "mean confidence transformed, %",
        "ece_control": "ECE in control, points",
        "ece_treated": "ECE transformed, points",
        "brier_control": "Brier score in control",
        "brier_treated": "Brier score transformed",
    }
    main: ClassVar[str] = "best_auroc"
    item_name: ClassVar[str] = "bins"
    item_columns: ClassVar[Mapping[str, str]] = {
        "group": "images of",
        "bin": "bin",
        "n": "images",
        "confidence": "mean confidence, %",
        "accuracy": "accuracy, %",
        "low": "low",
        "high": "high",
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Say whether the condition of a cell, or of a panel by the mean over its models, is detectable.

        Raises
        ------
        OptionError
            When the condition is control.
        RobustnessError
            When no model could be run, or the data cannot be read.
        """
        if request.condition == CONTROL:
            raise OptionError("control is what transforms are told from. Name a transform.")
        asked = request.models
        models = evidence.able({model: pair(model, request.condition) for model in asked})
        left_out = tuple(model for model in asked if model not in models)
        alpha = evidence.policy.alpha
        found = detect(evidence.predictions, models, request.condition, alpha=alpha, seed=evidence.options.seed)
        verdict = judge(found, left_out)
        return StudyFinding(
            study=self.name,
            models=models,
            condition=request.condition,
            verdict=verdict,
            headline=headline(found, verdict.outcome),
            figures=_figures(found),
            details=tuple(details(found, alpha)),
            items=tuple(_items(found)),
            curves=tuple(_curves(found)),
        )


def judge(found: Detection, left_out: Sequence[str] = ()) -> Verdict:
    """Judge whether a condition is detectable without labels.

    FAIL: the interval of the confidence or of the answers lies beyond `BOUND`. Both intervals have the level 1 - alpha,
    so that each of the two is a one-sided test at alpha / 2, and the chance of failing where neither reaches the bound
    is at most alpha. PASS: both lie within it, so that the worse of them passes wrongly in at most alpha / 2. A panel
    that lost models (``left_out``) does not pass.
    """
    scores = found.without_labels
    if not all(score.conclusive for score in scores.values()):
        few = f"only {counted(found.images, 'image was', 'images were')}" if found.images else "no image was"
        return Verdict(Outcome.INCONCLUSIVE, f"{few} read both ways: too few to tell anything from")
    told = "; ".join(f"{name} {auroc_text(score)}" for name, score in scores.items())
    if beyond := [name for name, score in scores.items() if score.beyond(BOUND)]:
        return Verdict(Outcome.FAIL, f"{' and '.join(beyond)} beyond an AUROC of {BOUND:g}: {told}")
    undecided = [score for score in scores.values() if not score.within(BOUND)]
    if undecided:
        needed = max(_images_needed(score) * found.images / score.n for score in undecided)
        return Verdict(Outcome.INCONCLUSIVE, f"not shown to lie within or beyond {BOUND:g}: {told}; {_needed(needed)}")
    if left_out:
        return Verdict(Outcome.INCONCLUSIVE, f"within {BOUND:g}, but without {', '.join(left_out)}: {told}")
    return Verdict(Outcome.PASS, f"within an AUROC of {BOUND:g}: {told}")


def _images_needed(score: Discrimination) -> float:
    """Return how many images would bring the interval to one side of the bound, if the AUROC stayed what it is."""
    nearest = score.oriented
    gap = abs(nearest.auroc - BOUND)
    half = max(nearest.high - nearest.auroc, nearest.auroc - nearest.low)
    return score.n * (half / gap) ** 2 if gap > 0 else math.inf


def _needed(images: float) -> str:
    rounded = rounded_up(images)
    if rounded is None:
        return "no practical number of images would decide"
    return f"about {rounded:,} images would decide, if the AUROC stays what it is"


def _figures(found: Detection) -> Mapping[str, Figure]:
    """Return the row of a finding, with the keys of `Detectable.columns`."""
    best = None if found.best is None else found.without_labels[found.best].oriented.auroc
    values: list[Figure] = [best, found.images, *_oriented(found.confidence), side(found.confidence)]
    values += [*_defined(found.confidence_distance), *_oriented(found.answer)]
    values += _defined((100 * found.shift.moved, 100 * found.shift.by_chance, found.shift.p_value))
    values += [*_oriented(found.label), *_defined(found.label_distance)]
    for scale, name in ((100, "accuracy"), (100, "confidence"), (100, "ece"), (1, "brier")):
        values += [scale * figure if found.labelled else None for figure in found.calibrated(name)]
    return dict(zip(Detectable.columns, values, strict=True))


def _items(found: Detection) -> Iterator[Mapping[str, Figure]]:
    """Yield the bins of one model's reliability curves; several models have no curve in common."""
    for group, measured in _groups(found):
        bins = measured.bins
        shares = np.round(100 * np.stack([bins.confidence, bins.accuracy, bins.low, bins.high], axis=1), 6)
        for place, (n, row) in enumerate(zip(bins.images.tolist(), shares.tolist(), strict=True)):
            yield dict(zip(Detectable.item_columns, (group, place + 1, n, *row), strict=True))


def _curves(found: Detection) -> Iterator[Curve]:
    """Yield one model's reliability curves, in percent."""
    for group, measured in _groups(found):
        bins = measured.bins
        x, y, low, high = (
            tuple((100 * column).tolist()) for column in (bins.confidence, bins.accuracy, bins.low, bins.high)
        )
        yield Curve(group, x, y, low, high, "mean confidence, %", "accuracy, %", diagonal=True)


def _groups(found: Detection) -> Iterator[tuple[str, Calibration]]:
    if len(found.models) == 1 and found.labelled:
        yield from zip(("control", str(found.condition)), found.calibrations[0], strict=True)


def _oriented(score: Discrimination) -> list[Figure]:
    turned = score.oriented
    return _defined((turned.auroc, turned.low, turned.high))


def _defined(figures: Iterable[float]) -> list[Figure]:
    return [None if math.isnan(figure) else figure for figure in figures]
