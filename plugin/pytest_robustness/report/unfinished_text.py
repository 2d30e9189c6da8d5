"""Say which selected tests of a run did not end with a verdict: what a pass says nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.report.run_report import RunReport

_NAMED: Final = 3


def unfinished_sentence(report: RunReport) -> str:
    """Return how many tests did not end with a verdict, and the first of them; empty where all did."""
    which = _which(report.unfinished)
    return which and f"The run is not whole, and so no PASS: {which}"


def nothing_judged(unfinished: Mapping[str, str]) -> str:
    """Return what to say of a run without a report, as nothing was asked in it, and how its tests ended."""
    which = _which(unfinished) or "no test asked for a verdict."
    return f"Nothing was judged, and there is no report: {which}"


def unfinished_list(report: RunReport) -> list[str]:
    """Return each test that did not end with a verdict, and how it ended; no name stands for the session."""
    return _lines(report.unfinished)


def _which(unfinished: Mapping[str, str]) -> str:
    if not unfinished:
        return ""
    tests = sum(map(bool, unfinished))
    which = f"{counted(tests, 'selected test')} did not end with a verdict: " if tests else ""
    return f"{which}{abridged([line.rstrip('.') for line in _lines(unfinished)], _NAMED)}."


def _lines(unfinished: Mapping[str, str]) -> list[str]:
    return [f"{name or 'the session'} {how}" for name, how in unfinished.items()]
