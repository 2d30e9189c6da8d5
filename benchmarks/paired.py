"""Two ways of doing the same thing, timed in turn: where others use the machine too, only the ratio counts."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes, wall clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(
    pairs: int, theirs: tuple[str, Callable[[], object]], ours: tuple[str, Callable[[], object]], unit: str = "s"
) -> float:
    """Time both ``pairs`` times in turn, print each pair, and return the median ratio: above 1, ours is faster."""
    ratio = median_ratio(timed_pairs(pairs, theirs, ours, unit))
    print(f"{ours[0]} against {theirs[0]}, median of {pairs}: {ratio:.2f}", flush=True)
    return ratio


def timed_pairs(
    pairs: int, theirs: tuple[str, Callable[[], object]], ours: tuple[str, Callable[[], object]], unit: str = "s"
) -> list[tuple[float, float]]:
    """Time both ``pairs`` times in turn, print each pair, and return the seconds of theirs and of ours."""
    scale = {"s": 1.0, "ms": 1e3}[unit]
    found = []
    for pair in range(pairs):
        # Each goes first in half of the pairs.
        first, second = (theirs, ours) if pair % 2 == 0 else (ours, theirs)
        times = {name: seconds(work) for name, work in (first, second)}
        found.append((times[theirs[0]], times[ours[0]]))
        print(
            f"pair {pair + 1}: {theirs[0]} {times[theirs[0]] * scale:.2f} {unit}, "
            f"{ours[0]} {times[ours[0]] * scale:.2f} {unit}, ratio {median_ratio(found[-1:]):.2f}",
            flush=True,
        )
    return found


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of theirs divided by ours."""
    return statistics.median(theirs / ours for theirs, ours in pairs)
