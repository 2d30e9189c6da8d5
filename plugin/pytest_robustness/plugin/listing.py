"""Prints the known models, transforms and data, for ``--robustness-list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_robustness import data
from pytest_robustness.models import ModelZoo
from pytest_robustness.report.encoding import writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.transforms import Registry


def print_catalogue(registry: Registry) -> None:
    """Print the models, transforms and data that the options accept."""
    console = Console(highlight=False)
    _print(
        console,
        "Models (--robustness-models)",
        [(source, ", ".join(names)) for source, names in ModelZoo().known().items()],
    )
    _print(
        console,
        "Transforms (--robustness-transforms)",
        [(t.name, _levels(t.levels) + t.summary) for t in registry.describe()],
    )
    _print(console, "Data (--robustness-data)", list(data.known().items()))


def _print(console: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    # rich would end a cut name with an ellipsis, which not every encoding has.
    table.add_column(no_wrap=True, overflow="crop")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(f"  {name}", style="bold"), Text(writable(text, console.file)))
    console.print(Text(title))
    console.print(table)
    console.print()


def _levels(levels: Sequence[float]) -> str:
    return f"[{', '.join(f'{level:g}' for level in levels)}] " if levels else ""
