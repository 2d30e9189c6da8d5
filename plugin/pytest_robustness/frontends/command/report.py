"""Write the report of what a store remembers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
from rich_click import RichCommand

# As pytest's: nothing was there to report.
_NOTHING = 5


@click.command("report", cls=RichCommand)
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "data_name",
    metavar="NAME",
    help="The latest run on this data, by its name or by how the fingerprint of its images begins.",
)
@click.option(
    "--report",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports/latest"),
    show_default=True,
    help="The folder to write into.",
)
def report(store: Path, data_name: str | None, folder: Path) -> int:
    """Write the report of what STORE remembers: the latest run, and what earlier ones found that still holds.

    No model is loaded, and no image is opened where its picture is remembered. Exit codes: 0 written, whatever the
    verdict, 3 an internal error, 4 no such store or data, or a file cannot be read or written, 5 nothing is remembered.
    """
    from pytest_robustness import report as reports
    from pytest_robustness.core.files import short_path
    from pytest_robustness.frontends.session.recalled import recalled

    with recalled(store, data_name) as (found, lines):
        if found is None:
            click.echo(f"{short_path(store)} remembers no run. A run with tests of models or classes is.", err=True)
            return _NOTHING
        reports.write_all(found, folder)
        where = [*lines, f"Report: {short_path(folder)}", *reports.image_lines(found, folder)]
        width = shutil.get_terminal_size().columns
        click.echo(reports.terminal_text(found.judged, width, sys.stdout.isatty(), {}, where))
    return 0
