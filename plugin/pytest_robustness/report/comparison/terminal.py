"""Print the comparison of two runs: a table for each model, the classes that fell, and what is not compared."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_robustness.core.text import counted, for_log, printable_lines
from pytest_robustness.report.comparison import words
from pytest_robustness.report.number_text import cut, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_robustness.analysis.comparing import CellComparison, RunComparison

    _Columns = dict[str, list[str]]
    """Texts by the head of their column."""

_STYLES = {"worse": "red", "worse classes": "red", "better": "green"}
_MOST_CLASSES = 10
_MOST_LEFT_OUT = 10
_NUMBERS = ("before", "now", "change", "p")
_ANSWERS = ("harmful", "bene-\nficial", "other\nwrong")
_RESULT = "result"
_SHORTEST_NAME = 9
_GAP = 2


def render(found: RunComparison, width: int, color: bool) -> str:
    """Return the comparison for a terminal of ``width`` columns."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(Text(cut(f"{found.now.name} compared with {found.before.name}", max(width, 1)), "bold"))
    for line in wrapped(words.differences(found), width):
        console.print(Text(line), soft_wrap=True)
    for pair, label in words.model_labels(found).items():
        cells = [cell for cell in found.cells if (cell.before, cell.model) == pair]
        console.print()
        console.print(Text(cut(label, max(width, 1)), "bold"))
        for table in _tables_of(found, cells, width):
            console.print(table)
    fallen = words.worse_classes(found)
    if fallen:
        console.print()
        console.print(Text("Classes that fell significantly", "bold"))
        for table in _classes_tables(found, fallen[:_MOST_CLASSES], width):
            console.print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    for note in _notes(found, len(fallen) - _MOST_CLASSES):
        lines += wrapped(note, width)
    return for_log("\n".join(map(printable_lines, lines)) if not color else "\n".join(lines))


def _tables_of(found: RunComparison, cells: list[CellComparison], width: int) -> list[Table]:
    """Return the conditions of one model, each with its figures."""
    names = {"condition": [words.condition_label(found, cell.condition) for cell in cells]}
    rows = [_figures(*cell.accuracies, cell.difference, cell.p_adjusted) for cell in cells]
    heads: tuple[str, ...] = _NUMBERS
    if any(cell.paired for cell in cells):
        heads += _ANSWERS
        rows = [[*row, *_answers(cell)] for row, cell in zip(rows, cells, strict=True)]
    marked = [[*row, words.mark(cell)] for row, cell in zip(rows, cells, strict=True)]
    return _tables(names, dict(zip((*heads, _RESULT), map(list, zip(*marked, strict=True)), strict=True)), width)


def _answers(cell: CellComparison) -> list[str]:
    return [""] * len(_ANSWERS) if cell.churn is None else [str(count) for count in cell.churn[1:]]


def _classes_tables(found: RunComparison, fallen: list[words.WorseClass], width: int) -> list[Table]:
    labels, rows = words.model_labels(found), []
    names: dict[str, list[str]] = {"condition": [], "model": [], "class": []}
    for cell, index in fallen:
        figures = cell.classes
        if figures is None:
            continue
        names["condition"].append(words.condition_label(found, cell.condition))
        names["model"].append(labels[cell.before, cell.model])
        names["class"].append(found.classes[index])
        before = 100 * figures.right_before[index] / figures.n_before[index]
        now = 100 * figures.right_now[index] / figures.n_now[index]
        rows.append(_figures(before, now, float(figures.difference[index]), float(figures.p_adjusted[index])))
    if len(labels) == 1:  # the heading has it
        del names["model"]
    return _tables(names, dict(zip(_NUMBERS, map(list, zip(*rows, strict=True)), strict=True)), width)


def _figures(before: float, now: float, change: float, p: float) -> list[str]:
    return [
        words.fine_percent_or_dash(before),
        words.fine_percent_or_dash(now),
        words.fine_points_or_dash(change),
        words.p_value_or_dash(p),
    ]


def _tables(names: _Columns, figures: _Columns, width: int) -> list[Table]:
    """Return a table, or several one below the other where a terminal has no room for all figures side by side.

    Figures are always whole. Names are cut, and columns move closer, before a table is divided.
    """
    roomy = _wide(names) + _wide(figures) + _GAP * (len(names) + len(figures) - 1) <= width
    gap = _GAP if roomy else 1
    least = len(names) * (_SHORTEST_NAME + gap) - gap
    pieces: list[_Columns] = [{}]
    for head, texts in figures.items():
        wider = {**pieces[-1], head: texts}
        if pieces[-1] and least + _wide(wider) + gap * len(wider) > width:
            pieces.append({head: texts})
        else:
            pieces[-1] = wider
    return [_table(names, piece, width, gap) for piece in pieces]


def _table(names: _Columns, figures: _Columns, width: int, gap: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    room = width - _wide(figures) - gap * (len(figures) + len(names) - 1)
    for head, share in _shared_out({head: _wide({head: texts}) for head, texts in names.items()}, room).items():
        table.add_column(head, no_wrap=True, overflow="ellipsis", width=share)
    for head in figures:
        table.add_column(head, justify="left" if head == _RESULT else "right", no_wrap=True)
    for row in zip(*names.values(), *figures.values(), strict=True):
        table.add_row(*(Text(text, _STYLES.get(text, "") if text == row[-1] else "") for text in row))
    return table


def _wide(columns: _Columns) -> int:
    """Return the widths of columns, added up; a head may have several lines."""
    return sum(max(map(cell_len, (*head.split("\n"), *texts))) for head, texts in columns.items())


def _shared_out(longest: Mapping[str, int], room: int) -> dict[str, int]:
    """Return the widths of columns of names: as long as they are, or even shares of what shorter ones leave."""
    found = dict(longest)
    for place, head in enumerate(sorted(longest, key=longest.__getitem__)):
        found[head] = max(min(longest[head], room // (len(longest) - place)), 1)
        room -= found[head]
    return found


def _notes(found: RunComparison, more_classes: int) -> Iterator[str]:
    if more_classes > 0:
        yield f"{counted(more_classes, 'more class', 'more classes')}, on the page"
    yield words.verdict(found)
    yield from found.left_out[:_MOST_LEFT_OUT]
    if len(found.left_out) > _MOST_LEFT_OUT:
        yield f"{counted(len(found.left_out) - _MOST_LEFT_OUT, 'more note')} of what is not compared, on the page"
    yield from found.notes
    yield words.rule(found)
