"""Prints the known models, transforms and data, for ``--robustness-list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_robustness import data
from pytest_robustness.core.text import for_terminal, printable
from pytest_robustness.models import ModelZoo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.transforms import Registry

_WRITTEN: Final = (
    ("rotation:17.5", "A transform at a magnitude, from the level that changes nothing to the last one."),
    ("equalize+vflip", "A chain: transforms in this order. At :0.5 each goes half of its own way."),
    ("worst(rotation+translate,k=10)", "Several draws, milder ones too; of each image the worst answer counts."),
)


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
        [(t.name, _levels(t.levels) + t.summary) for t in registry.describe() if not t.on_request],
    )
    _print(
        console,
        "Transforms on request; magnitudes, chains, and the worst of several draws",
        [*((t.name, _levels(t.levels) + t.summary) for t in registry.describe() if t.on_request), *_WRITTEN],
    )
    _print(console, "Data (--robustness-data)", list(data.known().items()))


def _print(console: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    # Cropped rather than ended by an ellipsis, which some encodings lack.
    table.add_column(no_wrap=True, overflow="crop")
    table.add_column(overflow="fold")
    for name, text in rows:
        # rich would raise on a character that the terminal's encoding lacks.
        shown = for_terminal(text).encode(console.encoding, "backslashreplace").decode(console.encoding)
        table.add_row(Text(f"  {printable(name)}", style="bold"), Text(shown))
    console.print(Text(title))
    console.print(table)
    console.print()


def _levels(levels: Sequence[float]) -> str:
    return f"[{', '.join(f'{level:g}' for level in levels)}] " if levels else ""
