"""Print the comparison of two runs: a table for each model, the classes that fell, and what is not compared."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_robustness.core.text import for_log, printable_lines
from pytest_robustness.report.comparison import words
from pytest_robustness.report.number_text import counted, cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.analysis.comparing import CellComparison, RunComparison

_STYLES = {"worse": "red", "worse classes": "red", "better": "green"}
_MOST_CLASSES = 10
_MOST_LEFT_OUT = 10
_NUMBERS = ("before", "now", "change", "p")
_ANSWERS = ("harmful", "beneficial", "other wrong")
_LONGEST_NAME = 24


def render(found: RunComparison, width: int, color: bool) -> str:
    """Return the comparison for a terminal of ``width`` columns."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(Text(cut(f"{found.now.name} compared with {found.before.name}", max(width, 1)), "bold"))
    for pair, label in words.model_labels(found).items():
        cells = [cell for cell in found.cells if (cell.before, cell.model) == pair]
        console.print()
        console.print(Text(cut(label, max(width, 1)), "bold"))
        console.print(_table_of(found, cells, width))
    fallen = words.worse_classes(found)
    if fallen:
        console.print()
        console.print(Text("Classes that fell significantly", "bold"))
        console.print(_classes_table(found, fallen[:_MOST_CLASSES], width))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    for note in _notes(found, len(fallen) - _MOST_CLASSES):
        lines += textwrap.wrap(note, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return for_log("\n".join(map(printable_lines, lines)) if not color else "\n".join(lines))


def _table_of(found: RunComparison, cells: list[CellComparison], width: int) -> Table:
    """Return the conditions of one model; where a terminal is narrow, without the answers that changed."""
    paired = any(cell.paired for cell in cells)
    names = [*_NUMBERS, *(_ANSWERS if paired and width >= _room(_ANSWERS) else ()), "result"]
    table = _table()
    table.add_column("condition", no_wrap=True, overflow="ellipsis", max_width=max(8, width - _room(names[4:-1]) + 16))
    for name in names[:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for cell in cells:
        before, now = cell.accuracies
        numbers = [
            words.percent(before),
            words.percent(now),
            words.change(cell.difference),
            words.p_text(cell.p_adjusted),
        ]
        churn = cell.churn
        if len(names) > len(_NUMBERS) + 1:
            numbers += ["", "", ""] if churn is None else [str(count) for count in churn[1:]]
        mark = words.mark(cell)
        table.add_row(Text(words.condition_label(found, cell.condition)), *numbers, Text(mark, _STYLES.get(mark, "")))
    return table


def _room(names: tuple[str, ...] | list[str]) -> int:
    """Return how wide a terminal must be for the columns of figures, and these, beside a condition of 16 letters."""
    return 16 + 4 * 9 + sum(len(name) + 2 for name in names) + len("worse classes")


def _classes_table(found: RunComparison, fallen: list[words.WorseClass], width: int) -> Table:
    labels, table = words.model_labels(found), _table()
    table.add_column("class", no_wrap=True, overflow="ellipsis", max_width=max(8, min(_LONGEST_NAME, width // 4)))
    table.add_column("where", no_wrap=True, overflow="ellipsis", max_width=max(8, width // 3))
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for cell, index in fallen:
        figures = cell.classes
        if figures is None:
            continue
        before = 100 * figures.right_before[index] / figures.n_before[index]
        now = 100 * figures.right_now[index] / figures.n_now[index]
        where = f"{labels[cell.before, cell.model]} {words.condition_label(found, cell.condition)}"
        table.add_row(
            Text(found.classes[index]),
            Text(where),
            words.percent(before),
            words.percent(now),
            words.change(float(figures.difference[index])),
            words.p_text(float(figures.p_adjusted[index])),
        )
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _notes(found: RunComparison, more_classes: int) -> Iterator[str]:
    if more_classes > 0:
        yield f"{counted(more_classes, 'more class', 'more classes')}, on the page"
    yield words.verdict(found)
    yield from found.left_out[:_MOST_LEFT_OUT]
    if len(found.left_out) > _MOST_LEFT_OUT:
        yield f"{counted(len(found.left_out) - _MOST_LEFT_OUT, 'more note')} of what is not compared, on the page"
    yield from found.notes
    yield words.rule(found)
