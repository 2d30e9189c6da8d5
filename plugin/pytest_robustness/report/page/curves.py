"""Draw severity curves: the change of accuracy by severity, with its interval, one small chart per transform."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core import Cell, Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_robustness.analysis.test_result import Estimate
    from pytest_robustness.report.run_report import RunReport

WIDTH, HEIGHT = 280, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 10, 10, 26


@dataclasses.dataclass(frozen=True)
class Tick:
    """A tick of an axis: its place in pixels and its label."""

    at: float
    label: str


@dataclasses.dataclass(frozen=True)
class Curve:
    """One chart in pixels: ``band`` and ``lines`` are SVG point lists; ``rows`` are its numbers, for a table.

    A row holds a severity, the change that `subject` names, and its interval or ``None``.
    """

    transform: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[str, ...]
    average: str
    dots: tuple[tuple[float, float], ...]
    band: str
    rows: tuple[tuple[int, float, tuple[float, float] | None], ...]


class Subject(NamedTuple):
    """What the curves show: ``figure`` names the change, ``caption`` explains the chart."""

    figure: str
    caption: str


def subject(report: RunReport) -> Subject:
    """Return what the curves show: the average of several models, or the change of a model that is alone."""
    models = report.averaged
    measure = f"{report.measure[0].upper()}{report.measure[1:]}{'' if report.over_classes else ', over all images'}"
    if len(models) > 1:
        caption = (
            "Bold: the average over the models, with its 95 % interval for other models and images. Thin: each model."
        )
        return Subject("average change", f"{measure}. {caption}")
    name = report.labels[models[0]]
    return Subject(f"change of {report.measure}", f"{measure}, of {name}, with its 95 % interval for other images.")


def severities_of(report: RunReport) -> dict[str, list[int]]:
    """Return the severities of each transform that ran at more than one, mildest first."""
    found: dict[str, list[int]] = {}
    for condition in report.conditions:
        if condition in report.changes and condition.severity is not None:
            found.setdefault(condition.transform, []).append(condition.severity)
    return {transform: sorted(levels) for transform, levels in found.items() if len(levels) > 1}


def curves(report: RunReport) -> list[Curve]:
    """Return a chart for each transform that ran at more than one severity, all on one scale."""
    results = {
        transform: [(level, report.changes[Condition(transform, level)]) for level in levels]
        for transform, levels in severities_of(report).items()
    }
    models = report.averaged
    # The line of a single model is the bold one already.
    thin = models if len(models) > 1 else []
    low, high = _range(report, thin, [result for found in results.values() for _, result in found])
    return [_curve(report, thin, transform, found, low, high) for transform, found in results.items()]


def _range(report: RunReport, models: Sequence[str], results: Iterable[Estimate]) -> tuple[float, float]:
    values = [0.0]
    for result in results:
        values += [v for v in result if math.isfinite(v)]
    cells = [cell for cell in report.counts if cell.model in models and cell.condition.severity is not None]
    values += [change for cell in cells for change in [report.change(cell)] if change]
    return max(-100.0, 10 * math.floor(min(values) / 10)), min(100.0, 10 * math.ceil(max(values) / 10))


def _curve(
    report: RunReport, thin: Sequence[str], transform: str, found: list[tuple[int, Estimate]], low: float, high: float
) -> Curve:
    levels = [level for level, _ in found]

    def x(level: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (level - levels[0]) / (levels[-1] - levels[0]), 1)

    def y(value: float) -> float:
        share = (high - min(max(value, low), high)) / ((high - low) or 1)
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * share, 1)

    def line(values: Iterable[tuple[int, float | None]]) -> str:
        return " ".join(f"{x(level)},{y(value)}" for level, value in values if value is not None)

    models = [[(level, report.change(Cell(m, Condition(transform, level)))) for level in levels] for m in thin]
    known = [(level, result) for level, result in found if math.isfinite(result.low)]
    upper = [(level, result.high) for level, result in known]
    lower = [(level, result.low) for level, result in reversed(known)]
    return Curve(
        transform=transform,
        x_ticks=tuple(Tick(x(level), str(level)) for level in levels),
        y_ticks=tuple(Tick(y(value), f"{value:+g}".replace("-", "−")) for value in _steps(low, high)),
        lines=tuple(line(values) for values in models if any(value is not None for _, value in values)),
        average=line([(level, result.value) for level, result in found]),
        dots=tuple((x(level), y(result.value)) for level, result in found),
        band=line([*upper, *lower]),
        rows=tuple((level, r.value, (r.low, r.high) if math.isfinite(r.low) else None) for level, r in found),
    )


def _steps(low: float, high: float) -> list[float]:
    step = next(size for size in (5, 10, 20, 25, 50, 100) if (high - low) / size <= 5)
    return [value * step for value in range(math.ceil(low / step), math.floor(high / step) + 1)]
