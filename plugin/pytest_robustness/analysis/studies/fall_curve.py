"""How far accuracy falls as a transform grows, at the magnitudes evaluated, and where it passes the margin.

A magnitude's *position* is its share of the way from neutral (0) to extreme (1), whichever of the two is larger. Falls
are points of accuracy on the same images, averaged over the classes as in a model test; a rise is negative.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.paired_change import PairedChange, interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.statistics.columns import Bools, Floats, Ints
    from pytest_robustness.transforms import Span

# A fall that differs from the margin by rounding alone does not exceed it.
_ROUNDING = 1e-9
# Magnitudes are decimals of a size that divides the span into this many steps or more.
_STEPS = 500


def magnitude_at(span: Span, position: float) -> float:
    """Return the magnitude at a position, rounded to a whole number or to a short decimal of the span."""
    low, high = sorted((span.neutral, span.extreme))
    if position >= 1 or low == high:
        return float(span.extreme)
    exact = span.neutral + (span.extreme - span.neutral) * position
    digits = 0 if span.whole else math.ceil(-math.log10((high - low) / _STEPS))
    return float(min(max(round(exact, digits), low), high))


@dataclasses.dataclass(frozen=True, eq=False)
class FallCurve:
    """How far one model's accuracy falls at k magnitudes; the first of k + 1 entries is neutral.

    Parameters
    ----------
    span
        Where the magnitudes lie.
    magnitudes
        In order from neutral: k + 1.
    measured
        Whether neutral was evaluated; if not it changes nothing.
    positions
        Of these: float64 [k + 1].
    fall, low, high
        The fall in points, and its interval of level 1 - 2 alpha: float64 [k + 1].
    lost, gained
        How many images turned wrong, and right, between each magnitude and the next: float64 [k]. Where the classes
        differ in size they count by their weight.
    unit
        The points that one image is worth.
    margin
        The fall in points that is accepted.
    """

    span: Span
    magnitudes: tuple[float, ...]
    measured: bool
    positions: Floats
    fall: Floats
    low: Floats
    high: Floats
    lost: Floats
    gained: Floats
    unit: float
    margin: float

    @property
    def evaluated(self) -> tuple[float, ...]:
        """The magnitudes evaluated, in order from neutral."""
        return self.magnitudes if self.measured else self.magnitudes[1:]

    def first_beyond(self, falls: Floats) -> int | None:
        """Return the first entry of ``falls`` (float64 [k + 1]) that exceeds the margin."""
        beyond = np.flatnonzero(falls > self.margin + _ROUNDING)
        return int(beyond[0]) if len(beyond) else None


def fall_curve(
    span: Span,
    labels: Ints,
    control: Bools,
    answers: Mapping[float, Bools],
    *,
    margin: float,
    alpha: float,
) -> FallCurve:
    """Compare the answers at each magnitude with those in control.

    Parameters
    ----------
    span
        Where the magnitudes lie.
    labels
        The class of each image: int64 [n], one or more.
    control
        Which images are right in control: bool [n].
    answers
        Which are right at each magnitude evaluated: bool [n] each.
    margin
        The fall in points that is accepted.
    alpha
        The level of a one-sided test, which the interval of a fall has at either end.
    """
    others = sorted(answers.keys() - {span.neutral}, key=span.fraction)
    right = np.array([answers.get(span.neutral, control), *(answers[magnitude] for magnitude in others)])
    sizes = np.bincount(labels)
    change = _changes(labels, sizes, control, right)
    measured = span.neutral in answers
    rise_low, rise_high = interval(change, alpha)
    low, high = -100 * rise_high, -100 * rise_low
    if not measured:
        low[0] = high[0] = 0.0
    weights = 1 / (np.count_nonzero(sizes) * sizes[labels])
    # As many images of equal weight as have the variance of these.
    image = float(np.sum(weights**2))
    before, after = right[:-1], right[1:]
    magnitudes = (span.neutral, *others)
    return FallCurve(
        span=span,
        magnitudes=magnitudes,
        measured=measured,
        positions=np.array([span.fraction(magnitude) for magnitude in magnitudes]),
        fall=-100 * change.value,
        low=low,
        high=high,
        lost=(before & ~after) @ weights / image,
        gained=(~before & after) @ weights / image,
        unit=100 * image,
        margin=margin,
    )


def _changes(labels: Ints, sizes: Ints, control: Bools, right: Bools) -> PairedChange:
    """Return the changes from ``control`` (bool [n]) to each row of ``right`` (bool [k, n])."""
    classes = len(sizes)
    cells = labels + classes * np.arange(len(right))[:, None]
    lost, gained = (
        np.bincount(cells[changed], minlength=classes * len(right)).reshape(-1, classes)
        for changed in (control & ~right, ~control & right)
    )
    return PairedChange.of_classes(lost, gained, np.broadcast_to(sizes, lost.shape))


class BreakingPoint(NamedTuple):
    """Where accuracy has first fallen by more than the margin.

    ``magnitude`` is the smallest one evaluated at which it has; ``None`` where it has at none, up to the extreme.
    ``low`` and ``high`` are its interval. ``high`` is ``None`` where the images do not show that accuracy falls by more
    than the margin at all, and ``low`` is the extreme where they show that it does not. ``low`` is ``None`` where the
    mildest magnitude changes something, and may be too much already.
    """

    magnitude: float | None
    low: float | None
    high: float | None


def breaking_point(curve: FallCurve) -> BreakingPoint:
    """Return where ``curve`` first passes the margin.

    The interval ends where the ends of the falls' intervals first pass the margin, between two magnitudes in
    proportion: it holds every magnitude for which the images decide neither that the fall is larger nor that it is
    smaller than the margin. Where a curve runs along the margin it errs more often than one of these intervals does,
    because the first of many magnitudes is looked for.
    """
    first = curve.first_beyond(curve.fall)
    point = None if first is None else curve.magnitudes[first]
    # The crossing lies before the point reported, by as much as the search leaves open.
    latest = _passes(curve, curve.low)
    if latest is not None and first is not None:
        latest = max(latest, float(curve.positions[first]))
    high = None if latest is None else _exact(curve.span, latest)
    if curve.first_beyond(curve.high) == 0:
        return BreakingPoint(point, None, high)
    earliest = _passes(curve, curve.high)
    return BreakingPoint(point, curve.span.extreme if earliest is None else _exact(curve.span, earliest), high)


def _passes(curve: FallCurve, falls: Floats) -> float | None:
    """Return the position at which ``falls`` first pass the margin, between two entries in proportion."""
    i = curve.first_beyond(falls)
    if i is None or i == 0:
        return None if i is None else 0.0
    (a, b), (before, after) = curve.positions[i - 1 : i + 1], falls[i - 1 : i + 1]
    return float(a + (b - a) * (curve.margin - before) / (after - before))


def _exact(span: Span, position: float) -> float:
    return span.neutral + (span.extreme - span.neutral) * position
