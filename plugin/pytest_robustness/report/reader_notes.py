"""What a reader is told besides figures and findings: in a terminal, in a notebook, and by `Evaluation.notes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core.text import counted
from pytest_robustness.report import summary

if TYPE_CHECKING:
    from pytest_robustness.report.run_report import RunReport

_FEW = 3


class ReaderNotes(NamedTuple):
    """Sentences by what they are about: each view shows all of them, in an order of its own."""

    warnings: tuple[str, ...]
    skipped: tuple[str, ...]
    verdict: tuple[str, ...]
    data: tuple[str, ...]
    baseline: tuple[str, ...]


def reader_notes(report: RunReport) -> ReaderNotes:
    """Return what to know of the figures of ``report``, the weightiest first."""
    return ReaderNotes(
        warnings=tuple(f"warning: {text}" for text in report.warnings),
        skipped=_skipped(report),
        verdict=tuple(summary.caveats(report)),
        data=tuple(f"data: {text}" for text in report.data_notes),
        baseline=report.notes,
    )


def all_notes(report: RunReport) -> tuple[str, ...]:
    """Return the notes of ``report`` in one list, the weightiest first: why models were not judged."""
    by_text: dict[str, list[str]] = {}
    for cell, text in report.errors.items():
        by_text.setdefault(text, []).append(f"{cell.model} under {cell.condition}")
    errors = [f"{cells[0]}{_others(len(cells) - 1)}: {text}" for text, cells in by_text.items()]
    return (*errors, *(text for texts in reader_notes(report) for text in texts))


def _others(number: int) -> str:
    return f" and {counted(number, 'other cell')}" if number else ""


def _skipped(report: RunReport) -> tuple[str, ...]:
    if not report.skipped:
        return ()
    first = ", ".join(report.skipped[:_FEW]) + (", ..." if len(report.skipped) > _FEW else "")
    were = "was" if len(report.skipped) == 1 else "were"
    return (f"{counted(len(report.skipped), 'image')} could not be read and {were} skipped: {first}",)
