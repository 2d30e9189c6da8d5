"""What GitHub Actions shows of a run: the summary on the run's page, and annotations of what failed.

Both follow GitHub's "Workflow commands for GitHub Actions": the file that ``GITHUB_STEP_SUMMARY`` names is appended to,
and lines that begin with ``::error`` are printed.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.naming import condition_text
from pytest_robustness.core.text import for_log, printable_lines
from pytest_robustness.core.user_code import parse
from pytest_robustness.report.finding_text import text_of
from pytest_robustness.report.number_text import points_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.findings import GateTest
    from pytest_robustness.report.run_report import RunReport

_log = logging.getLogger(__name__)

# GitHub shows no more than ten of a step.
_MOST = 10
_MOST_CLASSES = 5


def append_summary(markdown: str, environment: Mapping[str, str]) -> None:
    """Append the summary to the page of the run, if this is one on GitHub.

    Raises
    ------
    RobustnessError
        When the file cannot be written.
    """
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{markdown}\n")
    except OSError as error:
        raise RobustnessError(
            f"The summary cannot be appended to {path}: {error.strerror}. The variable GITHUB_STEP_SUMMARY names that "
            "file; unset it, or make the file writable."
        ) from error


def error_commands(report: RunReport, environment: Mapping[str, str]) -> list[str]:
    """Return a line to print for each comparison that failed and each model that could not be run, ten at most.

    Nothing outside of GitHub Actions.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return []
    failed = [test for test in report.gate_tests if test.verdict.outcome is Outcome.FAIL]
    found = [_command(_title(report, test), _message(test), _place(report, test.model)) for test in failed]
    errors = {(cell.model, text): None for cell, text in report.errors.items()}
    found += [
        _command(f"{report.labels[model]} could not be judged", text, _place(report, model)) for model, text in errors
    ]
    if len(found) <= _MOST:
        return found
    left = len(found) - _MOST + 1
    return [
        *found[: _MOST - 1],
        _command("More robustness failures", f"{left:,} more: see the summary of the run."),
    ]


def _title(report: RunReport, test: GateTest) -> str:
    under = f"under {condition_text(test.condition)}"
    if test.undecided:
        return f"{report.labels[test.model]}: too few images to decide {under}"
    return f"{report.labels[test.model]} is less robust than the baseline {under}"


def _message(test: GateTest) -> str:
    fallen = [f"{fall.name} {points_text(fall.result.difference)}" for fall in test.fallen[:_MOST_CLASSES]]
    return "\n".join([text_of(test).headline, *([f"Classes that fell most: {', '.join(fallen)}"] if fallen else [])])


def _place(report: RunReport, model: str) -> dict[str, str]:
    """Return where GitHub shows what is said of a model: its factory, else its file, else the baseline.

    Nothing where none of these lies in the folder of the run, which is the checkout.
    """
    source, _, name = model.partition(":")
    factory = parse(name) if source == "python" else None
    baseline = report.provenance.get("options", {}).get("baseline")
    for found in (factory.target if factory else name, baseline):
        path = Path(found or "")
        if found and not path.is_absolute() and ".." not in path.parts and path.is_file():
            line = _line(path, factory.function) if factory and found == factory.target else ""
            return {"file": path.as_posix()} | ({"line": line} if line else {})
    return {}


def _line(path: Path, function: str) -> str:
    """Return the number of the line that defines a function; nothing where none does."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        _log.debug("%s cannot be read", path, exc_info=True)
        return ""
    defined = re.compile(rf"(async )?(def|class) {re.escape(function)}\b|{re.escape(function)}\s*=")
    return next((str(number) for number, line in enumerate(lines, 1) if defined.match(line)), "")


def _command(title: str, message: str, place: Mapping[str, str] | None = None) -> str:
    """Return the workflow command; GitHub decodes what is escaped here, and reads anything else as the end of it."""
    properties = {"title": title, **(place or {})}
    parts = {key: _escape(value).replace(":", "%3A").replace(",", "%2C") for key, value in properties.items()}
    named = ",".join(f"{key}={value}" for key, value in parts.items())
    return f"::error {named}::{_escape(message)}"


def _escape(text: str) -> str:
    lines = map(printable_lines, for_log(text).replace("%", "%25").split("\r"))
    return "%0D".join(lines).replace("\n", "%0A")
