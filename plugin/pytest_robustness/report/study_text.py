"""The findings of studies, and of image tests, as rows and lines, for every report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.text import counted
from pytest_robustness.report.finding_text import reason_beyond_headline, text_of
from pytest_robustness.report.number_text import DASH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_robustness.analysis.findings import Finding
    from pytest_robustness.analysis.study_finding import Figure, StudyFinding
    from pytest_robustness.report.run_report import RunReport, StudySection


def figure_text(value: Figure) -> str:
    """Return a figure for people: four significant digits, a dash where it is not defined.

    Examples
    --------
    >>> figure_text(12.34567), figure_text(1234), figure_text(None), figure_text(True)
    ('12.35', '1,234', '–', 'yes')
    """
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return DASH if math.isnan(value) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
    return f"{value:,}" if isinstance(value, int) else value


def is_number(value: Figure) -> bool:
    """Return whether a figure stands in a column of numbers."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def row(finding: StudyFinding) -> dict[str, Any]:
    """Return a finding as ``results.json`` has it, without its items."""
    return {
        "models": list(finding.models),
        "transform": finding.condition.transform,
        "severity": finding.condition.severity,
        "outcome": finding.verdict.outcome.value,
        "reason": finding.verdict.reason,
        "headline": finding.headline,
        **finding.figures,
    }


def failed_image_tests(report: RunReport) -> list[str]:
    """Return the headline of every image test that failed: no table of the summaries has it."""
    return [text_of(test).headline for test in report.image_tests if test.verdict.outcome is Outcome.FAIL]


def outcome_counts(findings: Sequence[Finding]) -> str:
    """Return how tests ended: ``2 failed, 10 passed of 12 tests``."""
    words = {Outcome.FAIL: "failed", Outcome.INCONCLUSIVE: "inconclusive", Outcome.PASS: "passed"}
    found = [finding.verdict.outcome for finding in findings]
    parts = [f"{found.count(outcome)} {word}" for outcome, word in words.items() if outcome in found]
    return f"{', '.join(parts)} of {counted(len(found), 'test')}"


def columns(section: StudySection) -> Mapping[str, str]:
    """Return the columns of a study's table that some finding has a value for, with their headings."""
    return {
        name: heading
        for name, heading in section.study.columns.items()
        if any(finding.figures.get(name) is not None for finding in section.findings)
    }


def finding_line(finding: StudyFinding) -> str:
    """Return a finding in a line: its headline, and the reason of its verdict where that says more."""
    return ": ".join([finding.headline, *reason_beyond_headline(finding)])


def finding_list(section: StudySection, most: int) -> Iterator[str]:
    """Yield how a study ended, and its first ``most`` findings, those that fail first."""
    yield f"{section.study.title}: {outcome_counts(section.findings)}"
    ordered = worst_first(section.findings)
    yield from (f"{finding.verdict.outcome.value.lower()}: {finding_line(finding)}" for finding in ordered[:most])
    if len(ordered) > most:
        yield f"{counted(len(ordered) - most, 'more finding')}, in the report"


def worst_first(findings: Sequence[StudyFinding]) -> list[StudyFinding]:
    """Return findings with those that fail first, else in their order."""
    order = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
    return sorted(findings, key=lambda finding: order.index(finding.verdict.outcome))
