"""Which magnitudes to evaluate next, to find where accuracy first falls by more than the margin.

The search goes in rounds, so that one pass over the images serves a round of many models and transforms. It begins with
a coarse grid. From then on the gap between two neighbours is divided that leaves most open: the one that holds the
first crossing seen, one before it that may hide an earlier crossing, or one in which the interval ends.

Images make the curve jagged, and a crossing may hide between two magnitudes at which accuracy holds. How likely that is
follows from the images that turned wrong and right between the two: if they did so in a random order, the reflection
principle counts the orders in which the fall exceeds the margin on the way (Feller 1968, An Introduction to
Probability Theory and Its Applications, volume 1, section III.1). Where too few turned wrong it is impossible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from pytest_robustness.analysis.studies.fall_curve import FallCurve, magnitude_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.statistics.columns import Floats

MOST_MAGNITUDES = 25
"""How many magnitudes a search evaluates at most."""

_COARSE = 6
_ROUND = 4
# Shares of the span. A gap is fine where the crossing in it is known well enough, or an end of the interval.
_FINE, _FINE_END = 0.01, 0.02
# A wide gap around the crossing is divided in four, others in two.
_WIDE = 0.04
# The error expected of leaving a gap as it is, as a share of the span, below which it is left.
_NEGLIGIBLE = 0.004
# An error in the end of the interval weighs less than one in the point.
_END_WEIGHT = 0.35
# Images that turned and turned back between two magnitudes are not seen: as many pairs as were seen, and one more.
_UNSEEN_PAIRS = 1.0


class _Gap(NamedTuple):
    """A gap worth dividing: the error expected of leaving it as it is, its number, and how many parts to make of it."""

    error: float
    number: int
    parts: int


def next_magnitudes(curve: FallCurve, also: Iterable[float] = ()) -> tuple[float, ...]:
    """Return the magnitudes to evaluate in the next round, in order from neutral; none: the search is finished.

    Parameters
    ----------
    curve
        What was evaluated so far: nothing before the first round.
    also
        Magnitudes that the first round evaluates as well, because their answers are needed anyway.
    """
    if not curve.evaluated:
        positions = [0.5 / _COARSE, *(np.arange(1, _COARSE + 1) / _COARSE)]
        coarse = [magnitude_at(curve.span, float(position)) for position in positions]
        return _new(curve, [*also, *(magnitude for magnitude in coarse if magnitude != curve.span.neutral)])
    wanted: list[float] = []
    for gap in sorted(_gaps(curve), reverse=True):
        start, stop = curve.positions[gap.number : gap.number + 2]
        wanted += (magnitude_at(curve.span, float(x)) for x in np.linspace(start, stop, gap.parts + 1)[1:-1])
    return _new(curve, [magnitude for magnitude in wanted if magnitude != curve.span.neutral], _ROUND)


def _new(curve: FallCurve, wanted: Iterable[float], most: int = MOST_MAGNITUDES) -> tuple[float, ...]:
    """Return the first ``most`` of the wanted magnitudes that were not evaluated, in order from neutral."""
    room = min(most, MOST_MAGNITUDES - len(curve.evaluated))
    chosen = [magnitude for magnitude in dict.fromkeys(wanted) if magnitude not in curve.evaluated][:room]
    return tuple(sorted(chosen, key=curve.span.fraction))


def _gaps(curve: FallCurve) -> Iterable[_Gap]:
    """Yield the gaps worth dividing; gap i lies between entries i and i + 1 of the curve."""
    widths = np.diff(curve.positions)
    first = curve.first_beyond(curve.fall)
    # Without a crossing, one that hides would be taken for none up to the extreme.
    reported = 1.0 if first is None else curve.positions[first]
    before = len(widths) if first is None else max(first - 1, 0)
    middles = curve.positions[:-1] + widths / 2
    hidden = hidden_crossings(curve)[:before] * (reported - middles[:before])
    for i in np.flatnonzero((hidden > _NEGLIGIBLE) & (widths[:before] > _FINE)):
        yield _Gap(float(hidden[i]), int(i), 2)
    if first and widths[first - 1] > _FINE:
        yield _Gap(float(widths[first - 1]), first - 1, 4 if widths[first - 1] > _WIDE else 2)
    for ends in (curve.low, curve.high):
        end = curve.first_beyond(ends)
        if end and widths[end - 1] > _FINE_END:
            yield _Gap(_END_WEIGHT * float(widths[end - 1]), end - 1, 2)


def hidden_crossings(curve: FallCurve) -> Floats:
    """Return how likely the fall exceeds the margin between each magnitude and the next: float64 [k].

    Between the two, L images turned wrong and G right, in a random order. The fall is h images short of exceeding the
    margin at the first of the two. C(L + G, G + h) of all C(L + G, L) orders come that far.
    """
    pairs = np.minimum(curve.lost, curve.gained) + _UNSEEN_PAIRS
    lost, gained = curve.lost + pairs, curve.gained + pairs
    # Just above the whole number of images that the margin is, which do not exceed it yet.
    short = np.floor(np.maximum((curve.margin - curve.fall[:-1]) / curve.unit, 0.0) + 1e-6) + 1
    reached = np.minimum(gained + short, lost + gained)
    log_p = _log_factorial(lost) + _log_factorial(gained)
    log_p -= _log_factorial(reached) + _log_factorial(lost + gained - reached)
    p = np.where(short > lost, 0.0, np.exp(np.minimum(log_p, 0.0)))
    return np.where(short <= lost - gained, 1.0, p)


def _log_factorial(n: Floats) -> Floats:
    value: Floats = special.gammaln(n + 1)
    return value
