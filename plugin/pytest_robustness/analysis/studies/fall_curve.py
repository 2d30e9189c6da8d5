"""How far accuracy falls as a transform grows, at the magnitudes evaluated, and where it passes the margin.

A magnitude's *position* is its share of the way from neutral (0) to extreme (1), whichever of the two is larger. Falls
are points of accuracy on the same images, averaged over the classes as in a model test; a rise is negative.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from pytest_robustness.analysis.statistics.paired_change import PairedChange, interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.statistics.columns import Bools, Floats, Ints

# A fall that differs from the margin by rounding alone does not exceed it.
_ROUNDING = 1e-9
# Magnitudes are decimals of a size that divides the scale into this many steps or more.
_STEPS = 500


class Scale(Protocol):
    """The magnitudes of a transform: from the one that changes nothing to the largest change."""

    @property
    def neutral(self) -> float:
        """The magnitude that changes nothing."""

    @property
    def extreme(self) -> float:
        """The magnitude of the largest change; it may be smaller than ``neutral``."""

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are magnitudes."""


def position_of(scale: Scale, magnitude: float) -> float:
    """Return where a magnitude lies between neutral (0) and extreme (1)."""
    return (magnitude - scale.neutral) / (scale.extreme - scale.neutral)


def magnitude_at(scale: Scale, position: float) -> float:
    """Return the magnitude at a position, rounded to a whole number or to a short decimal of the scale."""
    exact = scale.neutral + (scale.extreme - scale.neutral) * position
    low, high = sorted((scale.neutral, scale.extreme))
    digits = 0 if scale.whole else math.ceil(-math.log10((high - low) / _STEPS))
    return float(min(max(round(exact, digits), low), high))


@dataclasses.dataclass(frozen=True, eq=False)
class FallCurve:
    """How far one model's accuracy falls at k magnitudes; the first of k + 1 entries is neutral, where nothing falls.

    Parameters
    ----------
    scale
        Where the magnitudes lie.
    magnitudes
        In order from neutral: k + 1.
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

    scale: Scale
    magnitudes: tuple[float, ...]
    positions: Floats
    fall: Floats
    low: Floats
    high: Floats
    lost: Floats
    gained: Floats
    unit: float
    margin: float

    def first_beyond(self, falls: Floats) -> int | None:
        """Return the first entry of ``falls`` (float64 [k + 1]) that exceeds the margin."""
        beyond = np.flatnonzero(falls > self.margin + _ROUNDING)
        return int(beyond[0]) if len(beyond) else None


def fall_curve(
    scale: Scale,
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
    scale
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
    magnitudes = (scale.neutral, *sorted(answers, key=lambda magnitude: position_of(scale, magnitude)))
    right = np.array([control, *(answers[magnitude] for magnitude in magnitudes[1:])])
    sizes = np.bincount(labels)
    change = _changes(labels, sizes, right)
    low, high = interval(change, alpha)
    weights = 1 / (np.count_nonzero(sizes) * sizes[labels])
    # As many images of equal weight as have the variance of these.
    image = float(np.sum(weights**2))
    before, after = right[:-1], right[1:]
    return FallCurve(
        scale=scale,
        magnitudes=magnitudes,
        positions=np.array([position_of(scale, magnitude) for magnitude in magnitudes]),
        fall=_falls(change.value),
        low=_falls(high),
        high=_falls(low),
        lost=(before & ~after) @ weights / image,
        gained=(~before & after) @ weights / image,
        unit=100 * image,
        margin=margin,
    )


def _falls(changes: Floats) -> Floats:
    """Return changes (shares, float64 [k]) as falls in points, after that of neutral: float64 [k + 1]."""
    return np.concatenate([[0.0], -100 * changes])


def _changes(labels: Ints, sizes: Ints, right: Bools) -> PairedChange:
    """Return the changes from the first of k + 1 rows of ``right`` (bool [k + 1, n]) to each of the others."""
    control, treated = right[:1], right[1:]
    classes = len(sizes)
    cells = labels + classes * np.arange(len(treated))[:, None]
    lost, gained = (
        np.bincount(cells[changed], minlength=classes * len(treated)).reshape(-1, classes)
        for changed in (control & ~treated, ~control & treated)
    )
    return PairedChange.of_classes(lost, gained, np.broadcast_to(sizes, lost.shape))


class BreakingPoint(NamedTuple):
    """Where accuracy has first fallen by more than the margin.

    ``magnitude`` is the smallest one evaluated at which it has; ``None`` where it has at none, up to the extreme.
    ``low`` and ``high`` are its interval; ``high`` is ``None`` where the images do not show that accuracy falls by more
    than the margin at all, and ``low`` is the extreme where they show that it does not.
    """

    magnitude: float | None
    low: float
    high: float | None


def breaking_point(curve: FallCurve) -> BreakingPoint:
    """Return where ``curve`` first passes the margin.

    The interval ends where the ends of the falls' intervals first pass the margin, between two magnitudes in
    proportion: it holds every magnitude for which the images decide neither that the fall is larger nor that it is
    smaller than the margin. With one crossing it has the level of these intervals.
    """
    first = curve.first_beyond(curve.fall)
    earliest, latest = _passes(curve, curve.high), _passes(curve, curve.low)
    point = None
    if first is not None:
        point = curve.magnitudes[first]
        # The crossing lies before the point reported, by as much as the search leaves open.
        earliest = min(float(curve.positions[first]) if earliest is None else earliest, float(curve.positions[first]))
        latest = None if latest is None else max(latest, float(curve.positions[first]))
    low, high = (None if at is None else _exact(curve.scale, at) for at in (earliest, latest))
    return BreakingPoint(point, curve.scale.extreme if low is None else low, high)


def _passes(curve: FallCurve, falls: Floats) -> float | None:
    """Return the position at which ``falls`` first pass the margin, between two entries in proportion."""
    i = curve.first_beyond(falls)
    if i is None:
        return None
    (a, b), (before, after) = curve.positions[i - 1 : i + 1], falls[i - 1 : i + 1]
    return float(a + (b - a) * (curve.margin - before) / (after - before))


def _exact(scale: Scale, position: float) -> float:
    return scale.neutral + (scale.extreme - scale.neutral) * position
