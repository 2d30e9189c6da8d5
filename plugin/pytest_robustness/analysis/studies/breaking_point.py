"""How far can a transform go before a model's accuracy falls by more than the margin?"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics import accuracies
from pytest_robustness.analysis.studies.fall_curve import BreakingPoint as Point
from pytest_robustness.analysis.studies.fall_curve import breaking_point
from pytest_robustness.analysis.studies.magnitude_rounds import Target, searched
from pytest_robustness.analysis.studies.magnitude_search import MOST_MAGNITUDES
from pytest_robustness.analysis.study_finding import Curve, StudyFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.analysis.tested_images import tested_counts
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.naming import short_names
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.studies.fall_curve import FallCurve
    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Panel
    from pytest_robustness.transforms import Span


class BreakingPoint:
    """The study ``breaking_point``: at which magnitude of a transform a model's accuracy has fallen too far."""

    name: ClassVar[str] = "breaking_point"
    title: ClassVar[str] = "Breaking points"
    about: ClassVar[str] = (
        "How far can a transform go before a model breaks? The breaking point is the magnitude from which on accuracy, "
        "the mean over the classes as in a model test, has fallen by more than the margin, on the same images as "
        "control: on average over every stretch that begins there, and over none that ends there (the isotonic "
        "regression of the fall crosses the margin), so that a blip of a few images is none. It is searched among all "
        f"magnitudes, of which at most {MOST_MAGNITUDES} are evaluated. The interval holds the magnitudes for which "
        "the images decide neither that accuracy has fallen by more than the margin nor that it has not; it is wide "
        "where accuracy runs along the margin. A test passes where the interval begins at the level of its severity or "
        "beyond, fails where it ends before that level or the images show a fall by more than the margin at a milder "
        "magnitude, from which accuracy recovers (after correction over the milder magnitudes that were evaluated); it "
        "is inconclusive otherwise. Where the mildest magnitude changes something, it is evaluated like any other, and "
        "may be the breaking point: so does 0 of a chain of which a part has a single level, such as vflip+rotation. A "
        "fall at a few magnitudes alone, between two that are evaluated, can be missed."
    )
    columns: ClassVar[Mapping[str, str]] = {
        "model": "model",
        "transform": "transform",
        "severity": "severity",
        "level": "level of the severity",
        "breaking_point": "breaking point",
        "low": "from",
        "high": "to",
        "neutral": "neutral",
        "extreme": "last level",
        "control_accuracy": "accuracy in control, %",
        "margin": "margin, points",
        "images": "images",
        "evaluations": "magnitudes evaluated",
    }
    main: ClassVar[str] = "breaking_point"
    item_name: ClassVar[str] = "points"
    item_columns: ClassVar[Mapping[str, str]] = {
        "magnitude": "magnitude",
        "accuracy": "accuracy, %",
        "fall": "fall, points",
        "low": "low",
        "high": "high",
        "images": "images",
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Search the breaking point of a cell's model along its transform; the severity says which level to judge by.

        One sweep serves a round of the searches of all tests that the run planned.

        Raises
        ------
        OptionError
            When the request is for several models, or the transform has no levels.
        RobustnessError
            When a magnitude could not be computed.
        """
        if not isinstance(request, Cell):
            raise OptionError(
                "A breaking point is that of one model; name one: robustness.breaking_point(model, transform)."
            )
        planned = evidence.planned.get(self.name, ())
        together = (
            [_target(evidence, other) for other in planned if isinstance(other, Cell)] if request in planned else []
        )
        curve = searched(evidence, _target(evidence, request), together)
        found = _finding(_Found.of(evidence, request, curve))
        return dataclasses.replace(found, verdict=evidence.judge.with_skill(request.model, found.verdict))


def _severity(evidence: Evidence, cell: Cell) -> int:
    severity = cell.condition.severity
    return evidence.options.severity if severity is None else severity


def _target(evidence: Evidence, cell: Cell) -> Target:
    transform = cell.condition.transform
    level = evidence.registry.span(transform, _severity(evidence, cell)).extreme
    return Target.of(evidence, cell.model, transform, level)


class _Found(NamedTuple):
    """What the search of one cell found: ``curve`` is ``None`` where no image could be read."""

    cell: Cell
    severity: int
    level: float
    span: Span
    curve: FallCurve | None
    point: Point
    accuracy: float
    images: int
    policy: TestPolicy

    @classmethod
    def of(cls, evidence: Evidence, cell: Cell, curve: FallCurve | None) -> _Found:
        severity, registry = _severity(evidence, cell), evidence.registry
        counts = tested_counts(evidence.predictions, Cell(cell.model, CONTROL))
        return cls(
            cell=cell,
            severity=severity,
            level=registry.span(cell.condition.transform, severity).extreme,
            span=registry.span(cell.condition.transform),
            curve=curve,
            point=Point(None, None, None) if curve is None else breaking_point(curve),
            accuracy=float(np.nanmean(accuracies(counts.correct, counts.n))) if counts.n.any() else math.nan,
            images=int(counts.n.sum()),
            policy=evidence.policy,
        )

    @property
    def interval(self) -> str:
        """The interval in words; an end that is open lies beyond the magnitudes that there are."""
        _, low, high = self.point
        if low is None and high == self.span.neutral:
            return f"{_number(high)} already"
        start = f"below {_number(self.span.neutral)}" if low is None else _number(low)
        if high is not None:
            return f"{start} to {_number(high)}"
        return f"beyond {_number(self.span.extreme)}" if low == self.span.extreme else f"{start} or later"

    @property
    def margin(self) -> str:
        return f"{self.policy.margin:g} points"

    @property
    def judged_by(self) -> str:
        return f"severity {self.severity} ({_number(self.level)})"


def _finding(found: _Found) -> StudyFinding:
    model = short_names([found.cell.model])[found.cell.model]
    verdict = _verdict(found)
    said = _headline(found, failed=verdict.outcome is Outcome.FAIL)
    return StudyFinding(
        study=BreakingPoint.name,
        models=(found.cell.model,),
        condition=found.cell.condition,
        verdict=verdict,
        headline=f"{model} {said}; severity {found.severity} is {_number(found.level)}",
        figures=_figures(found),
        details=tuple(_details(found)),
        items=tuple(_items(found)),
        curves=tuple(_curves(found, model)),
    )


def _verdict(found: _Found) -> Verdict:
    """Compare the interval with the level of the severity."""
    if found.curve is None:
        return Verdict(Outcome.INCONCLUSIVE, "there is no image to judge by")
    _, low, high = found.point
    fraction, level = found.span.fraction, found.span.fraction(found.level)
    breaks = f"accuracy falls by more than {found.margin} at {found.cell.condition.transform} {found.interval}"
    images = f"{100 * (1 - found.policy.alpha):g} % interval over {counted(found.images, 'image')}"
    dip, end = found.curve.shown(found.level), math.inf if high is None else fraction(high)
    if end < level or (end == level and dip is not None):
        when = "before" if end < level else "not after"
        return Verdict(Outcome.FAIL, f"{breaks}, {when} {found.judged_by}: {images}")
    if dip is not None:
        tests = counted(len(found.curve.milder(found.level)), "milder magnitude")
        corrected = "" if dip == found.level else f"corrected over {tests}; "
        return Verdict(
            Outcome.FAIL,
            f"accuracy has fallen by more than {found.margin} at {found.cell.condition.transform} {_number(dip)}, not "
            f"after {found.judged_by}, though not from there on ({breaks}): {corrected}{images}",
        )
    if low is not None and fraction(low) >= level:
        return Verdict(Outcome.PASS, f"{breaks}, not before {found.judged_by}: {images}")
    return Verdict(Outcome.INCONCLUSIVE, f"{breaks}, which does not decide on {found.judged_by}: {images}")


def _headline(found: _Found, *, failed: bool) -> str:
    """Return how far accuracy is kept; a failure begins with where it is lost."""
    transform, magnitude = found.cell.condition.transform, found.point.magnitude
    if found.curve is None:
        return f"could read no image under {transform}"
    kept, loses = f"keeps its accuracy within {found.margin}", f"loses more than {found.margin}"
    dip, after = found.curve.shown(found.level), found.span.fraction(found.level)
    if failed and dip is not None and (magnitude is None or found.span.fraction(magnitude) > after):
        return f"{loses} at {transform} {_number(dip)}, though not from there on"
    if magnitude is None:
        return f"{kept} in all of {transform}, up to {_number(found.span.extreme)} (breaking point {found.interval})"
    if magnitude == found.span.neutral:
        return f"{loses} already at the mildest {transform}, {_number(magnitude)}"
    if failed:
        return f"{loses} from {transform} {_number(magnitude)} on ({found.interval})"
    if found.span.whole:  # the first level that is broken; what is kept ends one before
        last = magnitude - math.copysign(1, found.span.extreme - found.span.neutral)
        return f"{kept} up to {transform} {_number(last)}; broken from {_number(magnitude)} on ({found.interval})"
    return f"{kept} up to {transform} {_number(magnitude)} ({found.interval})"


def _figures(found: _Found) -> Mapping[str, Figure]:
    """Return the row of a finding, with the keys of `BreakingPoint.columns`."""
    magnitude, low, high = found.point
    values: tuple[Figure, ...] = (
        found.cell.model,
        found.cell.condition.transform,
        found.severity,
        float(found.level),
        magnitude,
        low,
        high,
        float(found.span.neutral),
        float(found.span.extreme),
        None if math.isnan(found.accuracy) else found.accuracy,
        found.policy.margin,
        found.images,
        0 if found.curve is None else len(found.curve.evaluated),
    )
    return dict(zip(BreakingPoint.columns, values, strict=True))


def _details(found: _Found) -> Iterator[str]:
    if found.curve is None:
        return
    at = found.curve.magnitudes.index(found.level)
    fall, low, high = (float(values[at]) for values in (found.curve.fall, found.curve.low, found.curve.high))
    yield (
        f"at {found.judged_by}: accuracy {found.accuracy - fall:.1f} % after {found.accuracy:.1f} % in control, "
        f"a change of {-fall:+.1f} points ({-high:+.1f} to {-low:+.1f})"
    )
    yield (
        f"{len(found.curve.evaluated)} magnitudes evaluated from {_number(found.span.neutral)} to "
        f"{_number(found.span.extreme)}; accuracy is the mean over the classes"
    )
    yield (
        "--robustness-margin is the fall that is accepted, --robustness-severity decides on the level; "
        "more images narrow the interval"
    )


def _items(found: _Found) -> Iterator[Mapping[str, Figure]]:
    for row in _points(found):
        yield dict(zip(BreakingPoint.item_columns, (*row, found.images), strict=True))


def _curves(found: _Found, model: str) -> Iterator[Curve]:
    """Yield accuracy by magnitude, and the accuracy that the margin accepts."""
    if found.curve is None:
        return
    x, y, _, least, most = zip(*_points(found), strict=True)
    low, high = (tuple((found.accuracy - np.array(falls)).tolist()) for falls in (most, least))
    point, start, end = found.point
    ends = found.span.neutral if start is None else start, found.span.extreme if end is None else end
    yield Curve(model, x, y, low, high, found.cell.condition.transform, "accuracy, %", point, *ends)
    kept = found.accuracy - found.policy.margin
    yield Curve(f"control less {found.margin}", (float(x[0]), float(x[-1])), (kept, kept))


def _points(found: _Found) -> Iterator[tuple[float, ...]]:
    """Yield magnitude, accuracy, fall and its interval, neutral included."""
    if found.curve is not None:
        columns = (found.curve.fall, found.curve.low, found.curve.high)
        for magnitude, *falls in zip(found.curve.magnitudes, *(column.tolist() for column in columns), strict=True):
            yield (float(magnitude), found.accuracy - falls[0], *falls)


def _number(value: float) -> str:
    """Return a magnitude to three significant digits.

    >>> _number(11.31), _number(0.2), _number(12345.0)
    ('11.3', '0.2', '12300')
    """
    return f"{float(f'{value:.3g}'):.15g}"
