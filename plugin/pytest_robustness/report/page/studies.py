"""Draw what the studies found: tables cut to what a page can hold, charts with intervals and marks."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.report.page.curves import Tick
from pytest_robustness.report.study_text import columns, figure_text, is_number, outcome_counts, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_robustness.analysis.study_finding import Curve, Figure, StudyFinding
    from pytest_robustness.core import Condition
    from pytest_robustness.report.gallery import Drawn
    from pytest_robustness.report.run_report import RunReport, StudySection

__all__ = ["columns", "figure_text", "is_number", "outcome_counts"]

WIDTH, HEIGHT = 320, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 38
_MOST_ROWS: Final = 300
_MOST_ITEMS: Final = 300
_MOST_CHARTS: Final = 48
_TICKS: Final = 5
# Below this number the list says as much.
_FEWEST_IN_MATRIX: Final = 3


class Line(NamedTuple):
    """One line of a chart, in pixels: SVG point lists of the line and of its interval, and its dots."""

    name: str
    points: str
    band: str
    dots: tuple[tuple[float, float], ...]


class Mark(NamedTuple):
    """An x that is pointed out, with its interval, in pixels."""

    at: float
    low: float
    high: float
    text: str


class MatrixCell(NamedTuple):
    """A figure of one finding, its outcome, and the sentence that it belongs to; all empty where there is none."""

    text: str
    outcome: str
    headline: str


class MatrixRow(NamedTuple):
    """The findings of one model, or of several together, by condition."""

    label: str
    cells: list[MatrixCell]


@dataclasses.dataclass(frozen=True)
class Chart:
    """One chart in pixels, and its numbers for a table: ``rows`` hold the name of the line, x, y, and the interval."""

    title: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    mark: Mark | None
    diagonal: str
    rows: tuple[tuple[str, float, float, float | None, float | None], ...]


def table(section: StudySection) -> tuple[list[StudyFinding], int]:
    """Return the findings to show, those that fail first, and how many are left out."""
    ordered = worst_first(section.findings)
    return ordered[:_MOST_ROWS], max(0, len(ordered) - _MOST_ROWS)


def matrix(report: RunReport, section: StudySection) -> tuple[list[Condition], list[MatrixRow]] | None:
    """Return the conditions and the rows of the table of models and conditions; ``None`` where there is none to show.

    Findings over several models stand in rows below those of each model.
    """
    if not section.study.main or len(section.findings) < _FEWEST_IN_MATRIX:
        return None
    conditions = list(dict.fromkeys(finding.condition for finding in section.findings))
    rows: dict[tuple[str, ...], dict[Condition, StudyFinding]] = {}
    for finding in sorted(section.findings, key=lambda finding: len(finding.models)):
        rows.setdefault(finding.models, {})[finding.condition] = finding
    labels: dict[tuple[str, ...], str] = {
        models: report.labels.get(models[0], models[0]) for models in rows if len(models) == 1
    }
    return conditions, [
        MatrixRow(
            labels.get(models, f"{len(models)} models together"),
            [_cell(found.get(condition), section.study.main) for condition in conditions],
        )
        for models, found in rows.items()
    ]


def _cell(finding: StudyFinding | None, figure: str) -> MatrixCell:
    if finding is None:
        return MatrixCell("", "", "")
    return MatrixCell(figure_text(finding.figures.get(figure)), finding.verdict.outcome.value, finding.headline)


def items(section: StudySection) -> list[tuple[StudyFinding, Sequence[Mapping[str, Figure]], int]]:
    """Return the items to show, finding by finding, and of each finding how many are left out."""
    with_items = [finding for finding in worst_first(section.findings) if finding.items]
    room = max(1, _MOST_ITEMS // max(1, min(len(with_items), _MOST_CHARTS)))
    return [(finding, finding.items[:room], max(0, len(finding.items) - room)) for finding in with_items[:_MOST_CHARTS]]


def pictures(section: StudySection) -> list[tuple[str, Drawn]]:
    """Return the pictures of a section with their captions."""
    return [
        (picture.caption, section.pictures[picture])
        for finding in section.findings
        for picture in finding.pictures
        if picture in section.pictures
    ]


def charts(section: StudySection) -> list[Chart]:
    """Return a chart for each finding that has curves, those that fail first."""
    drawn = [finding for finding in worst_first(section.findings) if finding.curves]
    return [_chart(finding.headline, finding.curves) for finding in drawn[:_MOST_CHARTS]]


def _chart(title: str, curves: Sequence[Curve]) -> Chart:
    first = curves[0]
    square = any(curve.diagonal for curve in curves)
    marks = [value for value in (first.mark, first.mark_low, first.mark_high) if value is not None]
    x_low, x_high = _range([*_finite(x for curve in curves for x in curve.x), *_finite(marks)])
    y_low, y_high = _range(_finite(y for curve in curves for y in (*curve.y, *curve.low, *curve.high)))
    if square:
        x_low = y_low = min(x_low, y_low)
        x_high = y_high = max(x_high, y_high)

    def x(value: float) -> float:
        share = (min(max(value, x_low), x_high) - x_low) / (x_high - x_low)
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * share, 1)

    def y(value: float) -> float:
        share = (y_high - min(max(value, y_low), y_high)) / (y_high - y_low)
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * share, 1)

    lines = []
    for curve in curves:
        known = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True) if math.isfinite(a) and math.isfinite(b)]
        upper = [(x(a), y(b)) for a, b in zip(curve.x, curve.high, strict=False) if math.isfinite(b)]
        lower = [(x(a), y(b)) for a, b in zip(curve.x, curve.low, strict=False) if math.isfinite(b)]
        lines.append(Line(curve.name, _points(known), _points([*upper, *reversed(lower)]), tuple(known)))
    mark = None
    if first.mark is not None:
        low, high = (end if end is not None else first.mark for end in (first.mark_low, first.mark_high))
        mark = Mark(x(first.mark), x(low), x(high), figure_text(first.mark))
    return Chart(
        title,
        first.x_title,
        first.y_title,
        tuple(Tick(x(value), f"{value:g}") for value in _steps(x_low, x_high)),
        tuple(Tick(y(value), f"{value:g}".replace("-", "\N{MINUS SIGN}")) for value in _steps(y_low, y_high)),
        tuple(lines),
        mark,
        f"{x(x_low)},{y(y_low)} {x(x_high)},{y(y_high)}" if square else "",
        tuple(_rows(curves)),
    )


def _rows(curves: Sequence[Curve]) -> Iterable[tuple[str, float, float, float | None, float | None]]:
    for curve in curves:
        for place, (a, b) in enumerate(zip(curve.x, curve.y, strict=True)):
            interval = (curve.low[place], curve.high[place]) if place < len(curve.low) else (None, None)
            yield (curve.name, a, b, *interval)


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{a},{b}" for a, b in points)


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _steps(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about five of them."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough)
    return [round(value * step, 10) for value in range(math.ceil(low / step), math.floor(high / step) + 1)]
