"""Render the summary in Markdown, ``summary.md``, for a CI system's page, a pull request or a chat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_robustness.analysis.findings import worst_first
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.files import publish
from pytest_robustness.report import summary
from pytest_robustness.report.finding_text import gate_word
from pytest_robustness.report.number_text import counted, fine_points, p_value, points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_robustness.analysis.findings import ModelTest
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport

# Pages of CI systems have a size limit; the report has the rest.
_MOST_NAMES = 5
_MOST_ERRORS = 20


def write(report: RunReport, folder: Path) -> Path:
    """Write ``summary.md`` into ``folder``, whole or not at all, and return its path.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    return publish({"summary.md": render(report)}, folder)[0]


def render(report: RunReport) -> str:
    """Return the summary: verdict, warnings, comparison with the baseline, models, classes, errors and notes."""
    parts = [
        f"## Robustness: {summary.outcome(report).value}",
        escape(summary.verdict(report)),
        *_section("Warnings", [f"- {escape(text)}" for text in report.warnings]),
        *_section("Against the baseline", _gate(report)),
        *_section(_models_title(report), _models(report)),
        *_section("Sensitive classes", _classes(report)),
        *_section("Errors", _errors(report)),
        *_section("Notes", [f"- {escape(note)}" for note in _notes(report)]),
    ]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""Return ``text`` escaped, so that Markdown shows it unchanged, in a table too.

    Examples
    --------
    >>> print(escape("a|b <i> `c` equalize_zoom"))
    a\|b &lt;i> \`c\` equalize_zoom
    """
    one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    # A single underscore within a word, as in most transforms, is no emphasis and stays readable.
    return re.sub(r"([\\`*|\[\]~$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", one_line)


def _gate(report: RunReport) -> Iterator[str]:
    if not report.gate_tests:
        return
    several = len({test.model for test in report.gate_tests}) > 1
    head = ["condition", "baseline, %", "now, %", "change", "95 % interval", "p", "beyond control", "result"]
    rows = []
    for test in report.gate_tests:
        result, beyond = test.result, test.beyond_control
        label = report.condition_label(test.condition)
        word = gate_word(test)
        rows.append(
            [
                escape(f"{report.labels[test.model]} {label}" if several else label),
                f"{result.control:.2f}",
                f"{result.treated:.2f}",
                fine_points(result.difference),
                f"{fine_points(result.ci_low)} to {fine_points(result.ci_high)}",
                p_value(result.p_adjusted),
                "" if beyond is None else fine_points(beyond.value),
                f"**{word}**" if test.verdict.outcome is Outcome.FAIL else word,
            ]
        )
    yield from _table(head, rows, numbers=range(1, 7))
    failed = [test for test in report.gate_tests if test.verdict.outcome is Outcome.FAIL]
    if failed:
        yield ""
    for test in failed:
        fallen = _some(f"{fall.name} {points(fall.result.difference)}" for fall in test.fallen)
        classes = f". Classes that fell: {fallen}" if fallen else ""
        yield f"- {escape(f'{report.labels[test.model]} under {report.condition_label(test.condition)}')}: " + escape(
            f"{test.verdict.reason}{classes}"
        )


def _models_title(report: RunReport) -> str:
    return report.question.impacted_models


def _models(report: RunReport) -> list[str]:
    tests: dict[Condition, list[ModelTest]] = {}
    for test in report.model_tests:
        tests.setdefault(test.condition, []).append(test)
    rows = []
    for condition, found in tests.items():
        impacted = [report.labels[test.model] for test in found if test.impacted]
        rows.append(
            [
                escape(report.condition_label(condition)),
                f"{len(impacted)} of {len(found)}",
                points(report.changes[condition].value) if condition in report.changes else "",
                escape(_some(impacted)),
            ]
        )
    return _table(["transform", report.question.impacted, "average change", "which"], rows, numbers=range(1, 3))


def _classes(report: RunReport) -> list[str]:
    rows = []
    for test in report.class_tests:
        fallen = worst_first(test.sensitive)
        count = f"{len(test.sensitive)} of {test.tested}" if test.tested else "inconclusive"
        rows.append(
            [
                escape(report.condition_label(test.condition)),
                f"**{count}**" if test.verdict.outcome is Outcome.FAIL else count,
                str(test.allowed),
                escape(_some(f"{finding.name} {points(finding.result.difference)}" for finding in fallen)),
            ]
        )
    return _table(["transform", "sensitive", "allowed", "most sensitive"], rows, numbers=range(1, 3))


def _errors(report: RunReport) -> list[str]:
    texts = list(dict.fromkeys(report.errors.values()))
    lines = [f"- {escape(text)}" for text in texts[:_MOST_ERRORS]]
    left = len(texts) - len(lines)
    return lines + ([f"- {counted(left, 'more error')}"] if left else [])


def _notes(report: RunReport) -> Iterator[str]:
    if report.skipped:
        yield f"{counted(len(report.skipped), 'image')} could not be read and took no part."
    for test in report.class_tests:
        if test.verdict.outcome is Outcome.INCONCLUSIVE:
            yield f"The classes under {report.condition_label(test.condition)}: {test.verdict.reason}."
    yield from report.notes


def _section(title: str, lines: Iterable[str]) -> list[str]:
    text = "\n".join(lines)
    return [f"### {title}", text] if text else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int]) -> list[str]:
    """Return a table with the columns ``numbers`` flush right; nothing if there are no rows."""
    if not rows:
        return []
    right = set(numbers)
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def _some(names: Iterable[str]) -> str:
    """Return the first names, and the number of the others."""
    listed = list(names)
    left = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {left} more" if left > 0 else "")
