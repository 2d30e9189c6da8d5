"""Render the terminal summary: a table of accuracy changes, and the sensitive classes under each transform."""

from __future__ import annotations

import dataclasses
import io
import textwrap
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pytest_robustness.analysis.findings import worst_first
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import Cell, Condition
from pytest_robustness.report.finding_text import gate_word
from pytest_robustness.report.number_text import counted, cut, p_text, points_text
from pytest_robustness.report.summary import mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.analysis.findings import ClassTest
    from pytest_robustness.report.run_report import RunReport

# Between columns: one space of padding and one that the box draws.
_GAP = 2
_GATE_STYLES = {Outcome.PASS: "", Outcome.FAIL: "red", Outcome.INCONCLUSIVE: "yellow"}
_NARROWEST = 6
_NARROWEST_LIST = 16
_LONGEST_NAME = 24
_MOST_NAMES = 3
_MOST_ERRORS = 3
_COUNTS = ("sensitive", "allowed", "classes")


def render(report: RunReport, width: int, color: bool) -> str:
    """Return the summary of ``report`` for a terminal of ``width`` columns; a table too wide is cut into several."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=color, color_system="standard" if color else None)
    if report.model_conditions:
        console.print(f"Change of top-1 accuracy in points; {_legend(report)}", style="bold")
        figures = _Figures.of(report)
        for conditions in _pages(report, figures, console.width):
            console.print(_change_table(report, figures, conditions, console.width))
            console.print()
    if report.class_tests:
        console.print(_class_table(report, console.width))
    if report.gate_tests:
        console.print("Accuracy against the baseline, in percent", style="bold")
        console.print(_gate_table(report))
    lines = text.getvalue().splitlines()
    for note in _notes(report):
        # Wrapped between words only, because a path that is broken in two cannot be copied.
        lines += textwrap.wrap(note, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(line.rstrip() for line in lines)


def _legend(report: RunReport) -> str:
    found = {mark(test) for test in report.model_tests}
    model = report.question.an_impacted_model
    meanings = {"(*)": "one that the baseline knows", "?": "undecided"}
    return "; ".join([f"* marks {model}", *(f"{sign} {text}" for sign, text in meanings.items() if sign in found)])


@dataclasses.dataclass(frozen=True)
class _Figures:
    """The texts of the table of changes, with their styles, padded so that marks are aligned.

    ``width`` is the least width of a column.
    """

    texts: dict[Cell, tuple[str, str]]
    width: int

    @classmethod
    def of(cls, report: RunReport) -> _Figures:
        """Format every figure once, because there may be hundreds of models and conditions."""
        room = max((len(mark(test)) for test in report.model_tests), default=0)
        texts = dict.fromkeys(report.errors, ("error", "magenta"))
        width = 0
        for test in report.model_tests:
            sign = mark(test)
            figure = points_text(test.accuracy.treated - test.accuracy.control) + sign.ljust(room)
            texts[Cell(test.model, test.condition)] = (figure, "red" if sign == "*" else "")
            width = max(width, len(figure))
        return cls(texts, width or _NARROWEST)

    def column(self, header: str) -> int:
        """Return the width of the column below ``header``."""
        return max(self.width, *map(len, header.split("\n")))


def _pages(report: RunReport, figures: _Figures, width: int) -> Iterator[list[Condition]]:
    """Split the conditions into groups whose columns fit side by side."""
    room = width - min(width // 2, max(len(report.labels[model]) for model in report.models)) - _GAP
    page: list[Condition] = []
    left = room
    for condition in report.model_conditions:
        need = figures.column(_header(report, condition)) + _GAP
        if page and need > left:
            yield page
            page, left = [], room
        page.append(condition)
        left -= need
    yield page


def _header(report: RunReport, condition: Condition) -> str:
    return report.condition_label(condition).replace("_", "\n").replace("+", "\n+")


def _change_table(report: RunReport, figures: _Figures, conditions: list[Condition], most: int) -> Table:
    table = _table()
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=most // 2)
    widths = {}
    for condition in conditions:
        header = _header(report, condition)
        widths[condition] = figures.column(header)
        table.add_column(Text(header, justify="right"), no_wrap=True, vertical="bottom", min_width=widths[condition])
    tested = {test.model for test in report.model_tests} | {cell.model for cell in report.errors}
    for model in report.models:
        if model in tested:
            found = {condition: figures.texts.get(Cell(model, condition), ("", "")) for condition in conditions}
            cells = [Text(text.rjust(widths[condition]), style) for condition, (text, style) in found.items()]
            table.add_row(Text(report.labels[model]), *cells)
    return table


def _class_table(report: RunReport, width: int) -> Table:
    table = _table()
    names = {test.condition: report.condition_label(test.condition) for test in report.class_tests}
    room = width - sum(len(name) + _GAP for name in _COUNTS)
    table.add_column("transform", no_wrap=True, overflow="ellipsis", max_width=room)
    for name in _COUNTS:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    listed = room - max(map(cell_len, names.values())) - _GAP >= _NARROWEST_LIST
    if listed:
        # The only column that may wrap, so that rich narrows no other.
        table.add_column("most sensitive")
    for test in report.class_tests:
        style = "red" if test.verdict.outcome is Outcome.FAIL else ""
        table.add_row(
            Text(names[test.condition]),
            Text(str(len(test.sensitive)), style=style),
            str(test.allowed),
            str(test.tested),
            *([_MostSensitive(test)] if listed else []),
        )
    return table


@dataclasses.dataclass(frozen=True)
class _MostSensitive:
    """The classes that fell most: as many as fit, at most three, and the number of the others."""

    test: ClassTest

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST_LIST, cell_len(self._text(_MOST_NAMES)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        texts = map(self._text, range(_MOST_NAMES, 0, -1))
        fits = next((text for text in texts if cell_len(text) <= options.max_width), None)
        beside_name = cell_len(self._text(1, longest=1)) - 1
        yield Text(fits or self._text(1, longest=max(1, options.max_width - beside_name)), no_wrap=True)

    def _text(self, most: int, longest: int = _LONGEST_NAME) -> str:
        fallen = worst_first(self.test.sensitive)
        shown = [f"{cut(finding.name, longest)} {points_text(finding.result.difference)}" for finding in fallen[:most]]
        more = f" … {len(fallen) - most} more" if len(fallen) > most else ""
        return ", ".join(shown) + more


def _gate_table(report: RunReport) -> Table:
    several = len({test.model for test in report.gate_tests}) > 1
    table = _table()
    # The only column that may wrap, so that rich narrows no other.
    table.add_column("condition", overflow="ellipsis")
    # Labels with models leave no room for two words side by side.
    for name in ("baseline", "now", "change", "p", "beyond\ncontrol" if several else "beyond control"):
        table.add_column(name, justify="right", no_wrap=True, vertical="bottom", min_width=_NARROWEST)
    table.add_column("verdict", no_wrap=True, min_width=len("inconclusive"))
    for test in report.gate_tests:
        label = report.condition_label(test.condition)
        beyond = "" if test.beyond_control is None else f"{test.beyond_control.value:+.2f}"
        table.add_row(
            Text(f"{report.labels[test.model]} {label}" if several else label, no_wrap=True),
            f"{test.result.control:.2f}",
            f"{test.result.treated:.2f}",
            f"{test.result.difference:+.2f}",
            p_text(test.result.p_adjusted),
            beyond,
            Text(gate_word(test), style=_GATE_STYLES[test.verdict.outcome]),
        )
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _notes(report: RunReport) -> Iterator[str]:
    """Yield what the tables leave out; each error appears once, and only the first few."""
    errors = list(dict.fromkeys(report.errors.values()))
    for text in errors[:_MOST_ERRORS]:
        yield f"error: {text}"
    if len(errors) > _MOST_ERRORS:
        yield f"{counted(len(errors) - _MOST_ERRORS, 'more error')}, each with its tests and in the report"
    if report.skipped:
        first = ", ".join(report.skipped[:3]) + (", ..." if len(report.skipped) > 3 else "")
        were = "was" if len(report.skipped) == 1 else "were"
        yield f"{counted(len(report.skipped), 'image')} could not be read and {were} skipped: {first}"
    several = len({test.model for test in report.gate_tests}) > 1
    for test in report.class_tests:
        if test.verdict.outcome is Outcome.INCONCLUSIVE:
            yield f"inconclusive: the classes under {report.condition_label(test.condition)}: {test.verdict.reason}"
    for compared in report.gate_tests:
        if compared.undecided:
            model = f"{report.labels[compared.model]} under " if several else ""
            yield f"{model}{report.condition_label(compared.condition)}: {compared.verdict.reason}"
    yield from report.notes
    yield from (f"warning: {text}" for text in report.warnings)
