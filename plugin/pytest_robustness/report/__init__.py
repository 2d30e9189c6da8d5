"""Write what a run leaves. A report is a module here, which gets the run report, and its name in the table below."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_robustness.core.files import alone_in, none_of_before
from pytest_robustness.core.text import for_log, printable_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_robustness.report.run_report import RunReport

_log = logging.getLogger(__name__)

REPORTS = (
    "tables",  # results.json, accuracy.csv, tests.csv
    "page.render",  # index.html
    "markdown",  # summary.md
    "studies",  # studies/*.csv
    "augmentations",  # augmentations.yaml
    "answers",  # answers.npz
    "images",  # images.csv; last, because it may be large
)
"""The modules of this package that write files: ``write(run_report, folder)`` does, and ``FILES`` has their names."""


_WITH_EARLIER = ("tables", "page.render")


def write_all(report: RunReport, folder: Path) -> None:
    """Write every file of the report into ``folder``: tables, page, Markdown summary, and images.

    Files of an earlier run that this one does not write are removed, so that a folder is the report of one run, also
    where two end at once.
    Tables and page have the findings of earlier runs too, where ``report`` has them; the others are of this run alone.
    Where one cannot be written, the others are.

    Raises
    ------
    RobustnessError
        When one cannot be written: the first one's reason.
    """
    failed: list[Exception] = []
    with alone_in(folder):
        for name in REPORTS:
            shown = report if name in _WITH_EARLIER else report.judged
            try:
                module = import_module(f"{__name__}.{name}")
                with none_of_before(module.FILES, folder):
                    module.write(shown, folder)
            except Exception as error:  # a fault of ours in one report is no reason to lose the others
                _log.debug("the report %s could not be written", name, exc_info=True)
                failed.append(error)
    if failed:
        raise failed[0]


def image_lines(report: RunReport, folder: Path) -> list[str]:
    """Return what the terminal says of the table of images that `write_all` wrote into ``folder``."""
    from pytest_robustness.report import images

    return images.lines(report, folder)


def append_step_summary(report: RunReport, environment: Mapping[str, str]) -> None:
    """Append the Markdown summary to the page of the run on GitHub Actions, if this is one.

    Raises
    ------
    RobustnessError
        When the file that GitHub names cannot be written.
    """
    from pytest_robustness.report import github, markdown

    github.append_summary(markdown.render(report), environment)


def append_no_verdict(lines: Sequence[str], environment: Mapping[str, str]) -> None:
    """Append what a run without a report says to the page of the run on GitHub Actions, if this is one.

    Raises
    ------
    RobustnessError
        When the file that GitHub names cannot be written.
    """
    from pytest_robustness.report import github, markdown

    github.append_summary(markdown.no_verdict(lines), environment)


def terminal_text(
    report: RunReport,
    width: int,
    color: bool,
    environment: Mapping[str, str],
    closing: Sequence[str],
    verbose: bool = False,
) -> str:
    """Return the terminal summary, ``width`` columns wide, with the lines ``closing`` and GitHub's annotations.

    The annotations alone are commands to GitHub, whatever names the rest holds.

    ``verbose`` lists what each test that passed excludes.
    """
    from pytest_robustness.report import github, terminal

    device, runtime = report.provenance["device"], report.provenance["runtime"]
    executor = f", by {report.provenance['executor']}" if "executor" in report.provenance else ""
    ran = [f"Models ran on {device} with {runtime}{executor}."] if runtime else []
    commands = github.error_commands(report, environment)
    shown = [terminal.render(report, width, color, verbose), *ran, *map(printable_lines, closing)]
    return "\n".join([*map(for_log, shown), *commands, ""])
