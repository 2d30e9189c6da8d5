"""Render the terminal summary: accuracy changes, the classes under each transform, and what the tests do not show."""

from __future__ import annotations

import dataclasses
import io
import math
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import Cell, Condition
from pytest_robustness.core.text import counted
from pytest_robustness.report import summary
from pytest_robustness.report.alike import said_once
from pytest_robustness.report.class_test_words import beyond_words, words_of
from pytest_robustness.report.gate_text import by_classes
from pytest_robustness.report.number_text import p_text, points_text, wrapped
from pytest_robustness.report.reader_notes import reader_notes
from pytest_robustness.report.study_text import failed_image_tests, finding_list
from pytest_robustness.report.summary import gate_word
from pytest_robustness.report.worst_classes import WorstClasses, worst_classes_heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.report.run_report import RunReport

# Between columns: one space of padding and one that the box draws.
_GAP = 2
_STYLES = {Outcome.PASS: "", Outcome.FAIL: "red", Outcome.INCONCLUSIVE: "yellow"}
_NARROWEST = 6
_MOST_ERRORS = 3
_MOST_UNDECIDED = _MOST_FINDINGS = 10
_MORE = {
    "inconclusive": "more inconclusive test",
    "known finding": "more known finding",
    "image test": "more failed image test",
}
_CONTROL = "control"
# textwrap breaks no line at a no-break space.
_TIE = "\N{NO-BREAK SPACE}"
_COUNTS = ("sensitive", "insensitive", "allowed", "beyond", "blind")
_FEW_COUNTS = ("sensitive", "allowed", "beyond")


def render(report: RunReport, width: int, color: bool, verbose: bool = False) -> str:
    """Return the summary of ``report`` for a terminal of ``width`` columns; a table too wide is cut into several.

    ``verbose`` adds what each test that passed excludes, and every inconclusive test.
    """
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=color, color_system="standard" if color else None)

    def print_heading(heading: str) -> None:
        for line in wrapped(heading, width):
            console.print(Text(line.replace(_TIE, " "), "bold"))

    if report.model_conditions:
        print_heading(f"{report.changes_title}{_legend(report)}")
        figures = _Figures.of(report)
        for number, conditions in enumerate(_pages(report, figures, console.width)):
            console.print(_change_table(report, figures, conditions, console.width, control=number == 0))
            console.print()
    if report.class_tests:
        print_heading(_classes_heading(report))
        console.print(_class_table(report, console.width))
        if any(test.worst for test in report.class_tests):
            console.print()
            print_heading(worst_classes_heading(report.class_tests))
            console.print(_worst_table(report, console.width))
    if report.gate_tests:
        print_heading("Accuracy against the baseline, in percent; beyond control: the change less that of control")
        console.print(_gate_table(report))
        for line in _broken_lines(report):
            console.print(Text(line))
    lines = text.getvalue().splitlines()
    for note in _notes(report, verbose):
        lines += wrapped(note, width)
    return "\n".join(line.rstrip() for line in lines)


def _legend(report: RunReport) -> str:
    return "".join(f"; {sign}{_TIE}{text}" for sign, text in summary.mark_meanings(report).items())


@dataclasses.dataclass(frozen=True)
class _Figures:
    """The texts of the table of changes, with their styles, padded so that marks are aligned.

    ``width`` is the least width of a column, ``room`` that of the longest mark.
    """

    texts: dict[Cell, tuple[str, str]]
    width: int
    room: int

    @classmethod
    def of(cls, report: RunReport) -> _Figures:
        """Format every figure once, because there may be hundreds of models and conditions."""
        room = max((len(summary.mark(test, report.policy).sign) for test in report.model_tests), default=0)
        texts = dict.fromkeys(report.errors, ("error", "magenta"))
        width = 0
        for test in report.model_tests:
            sign = summary.mark(test, report.policy).sign
            figure = points_text(test.change.difference) + sign.ljust(room)
            texts[Cell(test.model, test.condition)] = (figure, _STYLES[test.verdict.outcome])
            width = max(width, len(figure))
        return cls(texts, width or _NARROWEST, room)

    def column(self, header: str) -> int:
        """Return the width of the column below ``header``."""
        return max(self.width, *map(len, header.split("\n")))


def _pages(report: RunReport, figures: _Figures, width: int) -> Iterator[list[Condition]]:
    """Split the conditions into groups whose columns fit side by side."""
    room = width - min(width // 2, max(len(report.labels[model]) for model in report.models)) - _GAP
    page: list[Condition] = []
    left = room - len(_CONTROL) - _GAP
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


def _change_table(
    report: RunReport, figures: _Figures, conditions: list[Condition], most: int, *, control: bool
) -> Table:
    """Return the table of the changes under ``conditions``, behind the models' control accuracy if asked for."""
    table = _table()
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=most // 2)
    if control:
        table.add_column(_CONTROL, justify="right", no_wrap=True, vertical="bottom", min_width=len(_CONTROL))
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
            before = report.control_accuracy(model)
            first = ["" if before is None else f"{before:.1f}"] if control else []
            table.add_row(Text(report.labels[model]), *first, *cells)
    for label, texts in _averages(report, conditions):
        ends = [Text((text + " " * figures.room * bool(text)).rjust(widths[c])) for c, text in texts.items()]
        table.add_row(Text(label), *([""] if control else []), *ends)
    return table


def _averages(report: RunReport, conditions: list[Condition]) -> Iterator[tuple[str, dict[Condition, str]]]:
    """Yield rows with the average change over the models, and with the ends of its interval."""
    if len({test.model for test in report.model_tests}) < 2:
        return
    for label, end in (("average", "value"), ("95 % from", "low"), ("95 % to", "high")):
        found = {c: getattr(report.changes[c], end) if c in report.changes else math.nan for c in conditions}
        if not all(map(math.isnan, found.values())):
            yield label, {c: "" if math.isnan(value) else points_text(value) for c, value in found.items()}


def _classes_heading(report: RunReport) -> str:
    """Return what the columns of the tests of the classes count."""
    over, beyond = words_of(report.class_tests).over, beyond_words(report.class_tests, report.policy.class_margin)
    return f"Classes: sensitive by their tests over the {over}; beyond: {beyond}; blind: too few right to show a loss"


def _class_table(report: RunReport, width: int) -> Table:
    table = _table()
    longest = max(cell_len(report.condition_label(test.condition)) for test in report.class_tests)
    fits = longest + sum(len(name) + _GAP for name in _COUNTS) <= width
    counts = _COUNTS if fits else _FEW_COUNTS
    room = width - sum(len(name) + _GAP for name in counts)
    table.add_column("transform", no_wrap=True, overflow="ellipsis", max_width=room)
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    policy = report.policy
    for test in report.class_tests:
        red = {
            "sensitive": policy.uses_t_tests and len(test.sensitive) > test.allowed,
            "beyond": policy.uses_images and bool(test.beyond_anywhere),
        }
        found = {
            "sensitive": len(test.sensitive),
            "insensitive": test.tested - len(test.sensitive),
            "allowed": test.allowed,
            "beyond": len(test.beyond_anywhere),
            "blind": test.blind,
        }
        failed = test.verdict.outcome is Outcome.FAIL
        cells = [Text(str(found[name]), "red" if failed and red.get(name) else "") for name in counts]
        table.add_row(Text(report.condition_label(test.condition)), *cells)
    return table


def _worst_table(report: RunReport, width: int) -> Table:
    """Return the classes that fell most under each transform: as many as fit side by side."""
    table = _table()
    names = {test.condition: report.condition_label(test.condition) for test in report.class_tests if test.worst}
    most = min(max(map(cell_len, names.values())), width // 3)
    table.add_column("transform", no_wrap=True, overflow="ellipsis", max_width=max(most, len("transform")))
    # The only column that may wrap, so that rich narrows no other.
    table.add_column("worst classes")
    for test in report.class_tests:
        if test.worst:
            table.add_row(Text(names[test.condition]), WorstClasses(test))
    return table


def _gate_table(report: RunReport) -> Table:
    several = len({test.model for test in report.gate_tests}) > 1
    table = _table()
    # The only column that may wrap, so that rich narrows no other.
    table.add_column("condition", overflow="ellipsis")
    # Labels with models leave no room for two words side by side.
    for name in ("baseline", "now", "change", "p worse", "beyond\ncontrol" if several else "beyond control"):
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
            p_text(test.p_worse),
            beyond,
            Text(gate_word(test), style=_STYLES[test.verdict.outcome]),
        )
    return table


def _broken_lines(report: RunReport) -> Iterator[str]:
    """Yield which classes fail a comparison, because its total may not have changed at all."""
    several = len({test.model for test in report.gate_tests}) > 1
    for test in report.gate_tests:
        if test.broken:
            label = report.condition_label(test.condition)
            yield f"{f'{report.labels[test.model]} {label}' if several else label}: less robust {by_classes(test)}"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _notes(report: RunReport, verbose: bool) -> Iterator[str]:
    """Yield what the tables leave out; each error appears once, and only the first few."""
    for section in report.studies:
        yield from finding_list(section, len(section.findings) if verbose else _MOST_FINDINGS)
    told = reader_notes(report)
    yield from told.verdict
    errors = list(dict.fromkeys(report.errors.values()))
    for text in errors[:_MOST_ERRORS]:
        yield f"error: {text}"
    if len(errors) > _MOST_ERRORS:
        yield f"{counted(len(errors) - _MOST_ERRORS, 'more error')}, each with its tests and in the report"
    yield from told.skipped
    yield from _first("image test", failed_image_tests(report), verbose)
    yield from _first("known finding", summary.known_findings(report), verbose)
    undecided = summary.reasons(report, Outcome.INCONCLUSIVE)
    yield from _first("inconclusive", undecided if verbose else said_once(undecided), verbose)
    if verbose:
        yield from (f"passed: {reason}" for reason in summary.reasons(report, Outcome.PASS))
    yield from (*told.baseline, *told.data, *told.warnings)


def _first(kind: str, reasons: list[str], verbose: bool) -> Iterator[str]:
    yield from (f"{kind}: {reason}" for reason in (reasons if verbose else reasons[:_MOST_UNDECIDED]))
    if not verbose and len(reasons) > _MOST_UNDECIDED:
        left = counted(len(reasons) - _MOST_UNDECIDED, _MORE[kind])
        yield f"{left}: -v lists all, as does the report"
