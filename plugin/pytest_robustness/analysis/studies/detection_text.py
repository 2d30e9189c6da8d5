"""Say in words how well transformed images are told from others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.statistics.discrimination import SWAPS
from pytest_robustness.analysis.studies.detection import BOUND
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.naming import condition_text, short_names
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.analysis.statistics.answer_shift import AnswerShift
    from pytest_robustness.analysis.statistics.discrimination import Discrimination, LargestDistance
    from pytest_robustness.analysis.studies.detection import Detection


def headline(found: Detection, outcome: Outcome) -> str:
    """Return what was found in a sentence that can stand alone."""
    one = len(found.models) == 1
    by = f" by {short_names(found.models)[found.models[0]]}" if one else ""
    word = {Outcome.FAIL: "is detectable", Outcome.PASS: "is not detectable"}.get(outcome, "may be detectable")
    start = f"{condition_text(found.condition)} {word}{by}"
    if found.best is None:
        return f"{start}: too few images"
    source = f"its {found.best}" if one else f"the {found.best} of {len(found.models)} models together"
    return f"{start}: AUROC {auroc_text(found.without_labels[found.best])} from {source}"


def details(found: Detection, alpha: float) -> Iterator[str]:
    """Yield what each score tells, and what decides."""
    if found.confidence.conclusive:
        told = f"{_told(found.confidence)}, transformed images {side(found.confidence)}"
        yield f"confidence: {told}; {_distance_text(found.confidence_distance)}"
    if found.answer.conclusive:
        yield f"answers: {_told(found.answer)}, learned from the others; {_shift_text(found.shift)}"
    if found.label.conclusive:
        yield f"true class, decides nothing: {_told(found.label)}; {_distance_text(found.label_distance)}"
        yield f"calibration: {_calibration_text(found)}"
    if len(found.models) > 1 and found.confidence.conclusive:
        short = short_names(found.models)
        alone = sorted(zip(found.aurocs, found.models, strict=True), key=lambda row: -abs(row[0] - 0.5))
        yield f"confidence by model: {', '.join(f'{short[model]} {max(area, 1 - area):.2f}' for area, model in alone)}"
    yield (
        f"detectable: an AUROC beyond {BOUND:g} of confidence or answers, at the level of --robustness-alpha "
        f"({alpha:g}) over both; whoever detects sees one image, not the pair"
    )


def auroc_text(score: Discrimination) -> str:
    """Return an AUROC with its interval, to as many digits as show on which side of the bound each of them lies."""
    turned = score.oriented
    area, low, high = (_on_its_side(value) for value in (turned.auroc, turned.low, turned.high))
    return f"{area} ({low} to {high})"


def side(score: Discrimination) -> str | None:
    """Return on which side the transformed images lie."""
    if not score.conclusive:
        return None
    return "surer" if score.auroc > 0.5 else "less sure" if score.auroc < 0.5 else "as sure"


def _told(score: Discrimination) -> str:
    return f"AUROC {auroc_text(score)} over {counted(score.n, 'image')}"


def _distance_text(distance: LargestDistance) -> str:
    return f"Kolmogorov-Smirnov distance {distance.distance:.2f}, {_p_text(distance.p_value)}"


def _shift_text(shift: AnswerShift) -> str:
    p = "" if math.isnan(shift.p_value) else f", {_p_text(shift.p_value)}"
    moved, by_chance = 100 * shift.moved, 100 * shift.by_chance
    return f"a net {moved:.1f} % of the answers moved to other classes, where chance moves {by_chance:.1f} %{p}"


def _calibration_text(found: Detection) -> str:
    accuracy, confidence, ece, brier = map(found.calibrated, ("accuracy", "confidence", "ece", "brier"))
    return (
        f"accuracy {100 * accuracy[0]:.1f} to {100 * accuracy[1]:.1f} %, "
        f"confidence {100 * confidence[0]:.1f} to {100 * confidence[1]:.1f} %, "
        f"ECE {100 * ece[0]:.1f} to {100 * ece[1]:.1f} points, Brier score {brier[0]:.3f} to {brier[1]:.3f}"
    )


def _on_its_side(value: float) -> str:
    """Return ``value`` to two digits, or to as many as compare with both bounds as it does."""
    texts = (f"{value:.{digits}f}" for digits in range(2, 18))
    bounds = BOUND, 1 - BOUND
    return next(t for t in texts if all(np.sign(float(t) - bound) == np.sign(value - bound) for bound in bounds))


def _p_text(p: float) -> str:
    return f"p at most {p:.3g}" if p <= 1 / (SWAPS + 1) else f"p = {p:.2g}"
