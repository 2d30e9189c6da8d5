"""Severity curves: the change of accuracy against the severity, with its interval, one small chart per transform."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from pytest_robustness.records import Cell, Condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.records import TestResult
    from pytest_robustness.view import View

WIDTH, HEIGHT = 280, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 10, 10, 26


@dataclasses.dataclass(frozen=True)
class Tick:
    """A tick of an axis: where, in pixels, and its label."""

    at: float
    label: str


@dataclasses.dataclass(frozen=True)
class Curve:
    """One chart in pixels: ``band`` and ``lines`` are SVG point lists; ``rows`` are its numbers, for a table.

    A row is severity, average change, and its interval, or ``None`` where the models are too few for one.
    """

    transform: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[str, ...]
    average: str
    dots: tuple[tuple[float, float], ...]
    band: str
    rows: tuple[tuple[int, float, tuple[float, float] | None], ...]


def curves(view: View) -> list[Curve]:
    """Return a chart for each transform that ran at more than one severity, all on one scale."""
    severities: dict[str, list[int]] = {}
    for condition in view.conditions:
        if condition in view.changes and condition.severity is not None:
            severities.setdefault(condition.transform, []).append(condition.severity)
    several = {transform: sorted(levels) for transform, levels in severities.items() if len(levels) > 1}
    results = {t: [(level, _average(view, Condition(t, level))) for level in levels] for t, levels in several.items()}
    low, high = _range(view, [result for found in results.values() for _, result in found])
    return [_curve(view, transform, found, low, high) for transform, found in results.items()]


def _average(view: View, condition: Condition) -> TestResult:
    """Return the average change over the models; of one model alone, its own test, which has an interval."""
    alone = [test.result for test in view.model_tests if test.condition == condition]
    average = view.changes[condition]
    return alone[0] if average.n == 1 and alone else average


def _range(view: View, results: Iterable[TestResult]) -> tuple[float, float]:
    values = [0.0]
    for result in results:
        values += [v for v in (result.difference, result.ci_low, result.ci_high) if math.isfinite(v)]
    values += [c for cell in view.counts if cell.condition.severity is not None for c in [view.change(cell)] if c]
    return max(-100.0, 10 * math.floor(min(values) / 10)), min(100.0, 10 * math.ceil(max(values) / 10))


def _curve(view: View, transform: str, found: list[tuple[int, TestResult]], low: float, high: float) -> Curve:
    levels = [level for level, _ in found]

    def x(level: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (level - levels[0]) / (levels[-1] - levels[0]), 1)

    def y(value: float) -> float:
        share = (high - min(max(value, low), high)) / ((high - low) or 1)
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * share, 1)

    def line(values: Iterable[tuple[int, float | None]]) -> str:
        return " ".join(f"{x(level)},{y(value)}" for level, value in values if value is not None)

    models = [[(level, view.change(Cell(m, Condition(transform, level)))) for level in levels] for m in view.models]
    known = [(level, result) for level, result in found if math.isfinite(result.ci_low)]
    upper = [(level, result.ci_high) for level, result in known]
    lower = [(level, result.ci_low) for level, result in reversed(known)]
    return Curve(
        transform=transform,
        x_ticks=tuple(Tick(x(level), str(level)) for level in levels),
        y_ticks=tuple(Tick(y(value), f"{value:+g}".replace("-", "−")) for value in _steps(low, high)),
        lines=tuple(line(values) for values in models if any(value is not None for _, value in values)),
        average=line([(level, result.difference) for level, result in found]),
        dots=tuple((x(level), y(result.difference)) for level, result in found),
        band=line([*upper, *lower]),
        rows=tuple(
            (level, r.difference, (r.ci_low, r.ci_high) if math.isfinite(r.ci_low) else None) for level, r in found
        ),
    )


def _steps(low: float, high: float) -> list[float]:
    step = next(size for size in (5, 10, 20, 25, 50, 100) if (high - low) / size <= 5)
    return [value * step for value in range(math.ceil(low / step), math.floor(high / step) + 1)]
