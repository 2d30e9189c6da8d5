"""Write what a run leaves. A report is a module here, which gets the run report, and its name in the table below."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_robustness.report.run_report import View

REPORTS = (
    "tables",  # results.json, accuracy.csv, tests.csv
    "page.render",  # index.html
    "markdown",  # summary.md
)
"""The modules of this package that write files, each by its function ``write(run_report, folder)``."""


def write_all(view: View, folder: Path) -> None:
    """Write every file of the report into ``folder``: tables, page, and Markdown summary.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    for name in REPORTS:
        import_module(f"{__name__}.{name}").write(view, folder)


def append_step_summary(view: View, environment: Mapping[str, str]) -> None:
    """Append the Markdown summary to the page of the run on GitHub Actions, if this is one.

    Raises
    ------
    RobustnessError
        When the file that GitHub names cannot be written.
    """
    from pytest_robustness.report import github, markdown

    github.append_summary(markdown.render(view), environment)


def terminal_text(view: View, width: int, color: bool, environment: Mapping[str, str], closing: Sequence[str]) -> str:
    """Return the terminal summary, ``width`` columns wide, with the lines ``closing`` and GitHub's annotations."""
    from pytest_robustness.report import github, terminal

    device, runtime = view.provenance["device"], view.provenance["runtime"]
    ran = [f"Models ran on {device} with {runtime}."] if runtime else []
    commands = github.error_commands(view, environment)
    return "\n".join([terminal.render(view, width, color), *ran, *closing, *commands, ""])
