"""Which magnitudes to evaluate next, to find from which on accuracy has fallen by more than the margin.

The search goes in rounds, so that one pass over the images serves a round of many models and transforms. It begins with
a coarse grid. From then on those gaps between neighbours are divided that leave open where the crossing is, or an end
of its interval.

The crossing is where the integral of the curve's excess over the margin is smallest. Between two magnitudes the curve
is taken for straight; images turned wrong and right in between, nobody knows where. If each did so at a random place,
the integral over the gap has a known variance. So another place is still possible where the integral is larger than
the smallest one by little, measured by the deviation of all gaps in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.studies.fall_curve import crossing, excess_area, magnitude_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.statistics.columns import Floats
    from pytest_robustness.analysis.studies.fall_curve import FallCurve

MOST_MAGNITUDES = 25
"""How many magnitudes a search evaluates at most."""

_COARSE = 6
_ROUND = 4
# Shares of the span. A gap is fine where the crossing in it is known well enough, or an end of the interval.
_FINE, _FINE_END = 0.01, 0.02
# A wide gap around the crossing is divided in four, others in two.
_WIDE = 0.04
# An error in the end of the interval weighs less than one in the point.
_END_WEIGHT = 0.35
# Images that turned and turned back between two magnitudes are not seen: a pair of them is supposed.
_UNSEEN = 2.0
# So many standard deviations of the integral.
_DEVIATIONS = 2.0


class _Gap(NamedTuple):
    """A gap worth dividing: how much of the place it leaves open, its number, and how many parts to make of it."""

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
    if not len(widths):
        return
    variances = area_variances(curve)
    for weight, fine, falls in zip(
        (1.0, _END_WEIGHT, _END_WEIGHT), (_FINE, _FINE_END, _FINE_END), curve.bands, strict=True
    ):
        first, stop = _open(curve, falls, variances)
        if first == stop:
            continue
        shares = variances[first:stop] / variances[first:stop].sum()
        errors = weight * (curve.positions[stop] - curve.positions[first]) * shares
        for i in first + np.flatnonzero(widths[first:stop] > fine):
            alone = stop - first == 1 and widths[i] > _WIDE
            yield _Gap(float(errors[i - first]), int(i), 4 if alone else 2)


def area_variances(curve: FallCurve) -> Floats:
    """Return the variance of the integral of the fall over each gap, about that of a straight line: float64 [k].

    Each image that turns wrong or right does so at a random place of the gap. So each adds the variance of a uniform
    place: 1 / 12, in units of an image and of the gap's width.
    """
    variances: Floats = (curve.unit * np.diff(curve.positions)) ** 2 * (curve.lost + curve.gained + _UNSEEN) / 12
    return variances


def _open(curve: FallCurve, falls: Floats, variances: Floats) -> tuple[int, int]:
    """Return the first and the last entry between which the crossing of ``falls`` may lie."""
    place = crossing(curve.positions, falls, curve.margin)
    excess = falls - curve.margin
    at = 1.0 if place is None else place
    area = excess_area(curve.positions, excess)
    # The gap that the crossing lies in, and the integral up to there.
    gap = min(max(int(np.searchsorted(curve.positions, at)) - 1, 0), len(variances) - 1)
    way = at - curve.positions[gap]
    slope = (excess[gap + 1] - excess[gap]) / (curve.positions[gap + 1] - curve.positions[gap])
    lowest = area[gap] + excess[gap] * way + slope * way**2 / 2
    upto = np.concatenate([[0.0], np.cumsum(variances)])
    entries = np.arange(len(area))
    between = np.where(entries <= gap, upto[gap + 1] - upto, upto - upto[gap])
    possible = np.flatnonzero(area - lowest <= _DEVIATIONS * np.sqrt(between))
    # Where there is no crossing up to the extreme, which is evaluated, nothing is open at the extreme itself; nor is
    # anything at neutral, where that is evaluated and too much already.
    around = [*possible.tolist(), *((len(variances),) if place is None else (gap, gap + 1) if place else (0,))]
    return min(around), max(around)
