"""How far accuracy falls as a transform grows, at the magnitudes evaluated, and where it passes the margin.

A magnitude's *position* is its share of the way from neutral (0) to extreme (1), whichever of the two is larger. Falls
are points of accuracy on the same images, averaged over the classes as in a model test; a rise is negative.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.correction import holm
from pytest_robustness.analysis.statistics.paired_change import PairedChange, interval, p_below

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
    p_within
        The one-sided p-value of the hypothesis that the fall is the margin or less: float64 [k + 1].
    alpha
        The level of a one-sided test, which the interval has at either end.
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
    p_within: Floats
    alpha: float

    @property
    def evaluated(self) -> tuple[float, ...]:
        """The magnitudes evaluated, in order from neutral."""
        return self.magnitudes if self.measured else self.magnitudes[1:]

    @property
    def bands(self) -> tuple[Floats, Floats, Floats]:
        """The fall, the lower and the upper end of its interval."""
        return self.fall, self.low, self.high

    def shown(self, level: float) -> float | None:
        """Return the mildest magnitude up to ``level`` at which the images show a fall by more than the margin.

        The level itself was chosen beforehand and is tested at alpha. All milder magnitudes that were evaluated are one
        family and share an alpha by Holm's method: with a test at alpha for each, some would soon show what is not.
        """
        family = self.milder(level)
        beyond = family[holm(self.p_within[family]) < self.alpha]
        if len(beyond):
            return self.magnitudes[int(beyond[0])]
        at = np.abs(self.positions - self.span.fraction(level)) <= _ROUNDING
        return level if np.any(at & (self.p_within < self.alpha)) else None

    def milder(self, level: float) -> Ints:
        """Return which entries are magnitudes milder than ``level`` that were evaluated."""
        before = np.flatnonzero(self.positions < self.span.fraction(level) - _ROUNDING)
        return before if self.measured else before[1:]


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
    p_within = p_below(change, -(margin + _ROUNDING) / 100)
    if not measured:
        low[0] = high[0] = 0.0
        p_within[0] = 1.0
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
        p_within=p_within,
        alpha=alpha,
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
    """The magnitude from which on accuracy has fallen by more than the margin.

    ``magnitude`` is ``None`` where it has not up to the extreme. ``low`` and ``high`` are its interval. ``high`` is
    ``None`` where the images do not show that accuracy falls by more than the margin at all, and ``low`` is the extreme
    where they show that it does not. ``low`` is ``None`` where the mildest magnitude changes something, and may be too
    much already.
    """

    magnitude: float | None
    low: float | None
    high: float | None


def breaking_point(curve: FallCurve) -> BreakingPoint:
    """Return where the fall of ``curve`` crosses the margin, and where the ends of the falls' intervals do.

    The interval holds every magnitude for which the images decide neither that the fall is larger nor that it is
    smaller than the margin. Where a curve runs along the margin, it is wide.
    """
    at, latest, earliest = (crossing(curve.positions, falls, curve.margin) for falls in curve.bands)
    span, already = curve.span, earliest == 0
    point = None if at is None else _exact(span, at)
    if point is not None and span.whole:
        # The first whole number that is not before the crossing.
        point = math.ceil(point) if span.extreme > span.neutral else math.floor(point)
    if at:
        # A cliff may lie anywhere in the gap that the crossing is in.
        end = int(np.searchsorted(curve.positions, at))
        earliest = float(min(curve.positions[end - 1], 1.0 if earliest is None else earliest))
        latest = None if latest is None else float(max(curve.positions[end], latest))
    high = None if latest is None else _exact(span, latest)
    if already:  # neutral was evaluated: where it changes nothing it is within the margin
        return BreakingPoint(point, None, high)
    return BreakingPoint(point, span.extreme if earliest is None else _exact(span, earliest), high)


def crossing(positions: Floats, falls: Floats, margin: float) -> float | None:
    """Return the position at which the isotonic regression of a curve exceeds ``margin``; ``None``: nowhere.

    The curve is straight between its points. Its isotonic regression is below a level up to where the integral of what
    the curve exceeds the level by is smallest (Barlow et al. 1972, Statistical Inference under Order Restrictions): the
    curve lies within the level on average over every stretch that ends there, and beyond it over every stretch that
    begins there.

    Parameters
    ----------
    positions
        From 0 on, ascending: float64 [k + 1].
    falls
        The curve there, in points: float64 [k + 1].
    margin
        The level in points.
    """
    excess = falls - margin - _ROUNDING
    widths = np.diff(positions)
    before, after = excess[:-1], excess[1:]
    rising = np.flatnonzero((before <= 0) & (after > 0))
    way = widths[rising] * before[rising] / (before[rising] - after[rising])
    places, areas = [*(positions[rising] + way)], [*(excess_area(positions, excess)[rising] + before[rising] * way / 2)]
    if excess[0] > 0:
        places, areas = [positions[0], *places], [0.0, *areas]
    if excess[-1] <= 0:
        places, areas = [*places, math.inf], [*areas, excess_area(positions, excess)[-1]]
    lowest = max(range(len(areas)), key=lambda i: (-areas[i], i))
    return None if math.isinf(places[lowest]) else float(places[lowest])


def excess_area(positions: Floats, excess: Floats) -> Floats:
    """Return the integral of ``excess`` from the first position to each: float64 [k + 1]."""
    return np.concatenate([[0.0], np.cumsum(np.diff(positions) * (excess[:-1] + excess[1:]) / 2)])


def _exact(span: Span, position: float) -> float:
    return span.neutral + (span.extreme - span.neutral) * position
