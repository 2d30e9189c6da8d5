"""Say which selected tests of a run did not end with a verdict: what a pass says nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from pytest_robustness.report.run_report import RunReport

_NAMED: Final = 3


def unfinished_sentence(report: RunReport) -> str:
    """Return how many tests did not end with a verdict, and the first of them; empty where all did."""
    lines = unfinished_list(report)
    if not lines:
        return ""
    tests = sum(map(bool, report.unfinished))
    which = f"{counted(tests, 'selected test')} did not end with a verdict: " if tests else ""
    return f"The run is not whole, and so no PASS: {which}{abridged([line.rstrip('.') for line in lines], _NAMED)}."


def unfinished_list(report: RunReport) -> list[str]:
    """Return each test that did not end with a verdict, and how it ended; no name stands for the session."""
    return [f"{name or 'the session'} {how}" for name, how in report.unfinished.items()]
