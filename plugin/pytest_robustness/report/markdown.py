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
    from pytest_robustness.report.run_report import View

# Pages of CI systems have a size limit; the report has the rest.
_MOST_NAMES = 5
_MOST_ERRORS = 20


def write(view: View, folder: Path) -> Path:
    """Write ``summary.md`` into ``folder``, whole or not at all, and return its path.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    return publish({"summary.md": render(view)}, folder)[0]


def render(view: View) -> str:
    """Return the summary: verdict, comparison with the baseline, models, classes, errors and notes."""
    parts = [
        f"## Robustness: {summary.outcome(view).value}",
        escape(summary.verdict(view)),
        *_section("Against the baseline", _gate(view)),
        *_section(_models_title(view), _models(view)),
        *_section("Sensitive classes", _classes(view)),
        *_section("Errors", _errors(view)),
        *_section("Notes", [f"- {escape(note)}" for note in _notes(view)]),
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


def _gate(view: View) -> Iterator[str]:
    if not view.gate_tests:
        return
    several = len({test.model for test in view.gate_tests}) > 1
    head = ["condition", "baseline, %", "now, %", "change", "95 % interval", "p", "beyond control", "result"]
    rows = []
    for test in view.gate_tests:
        result, beyond = test.result, test.beyond_control
        label = view.condition_label(test.condition)
        word = gate_word(test)
        rows.append(
            [
                escape(f"{view.labels[test.model]} {label}" if several else label),
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
    failed = [test for test in view.gate_tests if test.verdict.outcome is Outcome.FAIL]
    if failed:
        yield ""
    for test in failed:
        fallen = _some(f"{fall.name} {points(fall.result.difference)}" for fall in test.fallen)
        classes = f". Classes that fell: {fallen}" if fallen else ""
        yield f"- {escape(f'{view.labels[test.model]} under {view.condition_label(test.condition)}')}: " + escape(
            f"{test.verdict.reason}{classes}"
        )


def _models_title(view: View) -> str:
    return view.question.impacted_models


def _models(view: View) -> list[str]:
    tests: dict[Condition, list[ModelTest]] = {}
    for test in view.model_tests:
        tests.setdefault(test.condition, []).append(test)
    rows = []
    for condition, found in tests.items():
        impacted = [view.labels[test.model] for test in found if test.impacted]
        rows.append(
            [
                escape(view.condition_label(condition)),
                f"{len(impacted)} of {len(found)}",
                points(view.changes[condition].difference) if condition in view.changes else "",
                escape(_some(impacted)),
            ]
        )
    return _table(["transform", view.question.impacted, "average change", "which"], rows, numbers=range(1, 3))


def _classes(view: View) -> list[str]:
    rows = []
    for test in view.class_tests:
        fallen = worst_first(test.sensitive)
        count = f"{len(test.sensitive)} of {test.tested}" if test.tested else "inconclusive"
        rows.append(
            [
                escape(view.condition_label(test.condition)),
                f"**{count}**" if test.verdict.outcome is Outcome.FAIL else count,
                str(test.allowed),
                escape(_some(f"{finding.name} {points(finding.result.difference)}" for finding in fallen)),
            ]
        )
    return _table(["transform", "sensitive", "allowed", "most sensitive"], rows, numbers=range(1, 3))


def _errors(view: View) -> list[str]:
    texts = list(dict.fromkeys(view.errors.values()))
    lines = [f"- {escape(text)}" for text in texts[:_MOST_ERRORS]]
    left = len(texts) - len(lines)
    return lines + ([f"- {counted(left, 'more error')}"] if left else [])


def _notes(view: View) -> Iterator[str]:
    if view.skipped:
        yield f"{counted(len(view.skipped), 'image')} could not be read and took no part."
    for test in view.class_tests:
        if test.verdict.outcome is Outcome.INCONCLUSIVE:
            yield f"The classes under {view.condition_label(test.condition)}: {test.verdict.reason}."
    yield from view.notes


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
