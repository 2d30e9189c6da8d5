"""Render the summary in Markdown, ``summary.md``, for a CI system's page, a pull request or a chat."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.files import publish
from pytest_robustness.core.text import LONGEST_TEXT, abridged, counted, printable
from pytest_robustness.report import summary
from pytest_robustness.report.finding_text import UNSHOWN
from pytest_robustness.report.gate_text import by_classes
from pytest_robustness.report.number_text import fine_points, interval, p_value, points
from pytest_robustness.report.study_text import failed_image_tests, finding_line, outcome_counts, worst_first
from pytest_robustness.report.summary import gate_word
from pytest_robustness.report.unfinished_text import unfinished_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport, StudySection

# Pages of CI systems have a size limit; the report has the rest.
_MOST_NAMES = 5
_MOST_ERRORS = 20
_MOST_REASONS = 50
_MOST_MODELS = 50
_WORST = "worst (mean over classes)"
# So many models are shown at once; more are folded.
_FEW_MODELS = 15

FILES = ("summary.md",)


def write(report: RunReport, folder: Path) -> Path:
    """Write ``summary.md`` into ``folder``, whole or not at all, and return its path.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    return publish({"summary.md": render(report)}, folder)[0]


def render(report: RunReport) -> str:
    """Return the summary: verdict, warnings, comparison with a baseline, models, classes, reasons, errors and notes."""
    parts = [
        f"## Robustness: {summary.outcome(report).value}",
        escape(" ".join([summary.verdict(report), *summary.caveats(report)])),
        *_section("Warnings", [f"- {escape(text)}" for text in report.warnings]),
        *_section("Against the baseline", _gate(report)),
        *_section("Models that fail", _models(report)),
        *_section("Models", _each_model(report)),
        *_section("Sensitive classes", _classes(report)),
        *_section("Image tests that failed", _listed(failed_image_tests(report))),
        *(part for section in report.studies for part in _section(section.study.title, _study(section))),
        *_section("Known findings", _listed(summary.known_findings(report))),
        *_section("Inconclusive", _listed(summary.reasons(report, Outcome.INCONCLUSIVE))),
        *_section("Passed, and what that excludes", _folded("Tests that passed", _passed(report))),
        *_section("Errors", _errors(report)),
        *_section("Tests without a verdict", _listed(unfinished_list(report))),
        *_section("Notes", [f"- {escape(note)}" for note in _notes(report)]),
    ]
    return "\n\n".join(parts) + "\n"


def no_verdict(lines: Sequence[str]) -> str:
    """Return the summary of a run without a report, which says ``lines``."""
    return "\n\n".join(["## Robustness: no verdict", *map(escape, lines)]) + "\n"


def escape(text: str) -> str:
    r"""Return ``text`` escaped, so that Markdown shows it unchanged, in a table too.

    Examples
    --------
    >>> print(escape("a|b <i> `c` equalize_zoom"))
    a\|b &lt;i> \`c\` equalize_zoom
    """
    one_line = printable(" ".join(text.split()), LONGEST_TEXT).replace("&", "&amp;").replace("<", "&lt;")
    # A single underscore within a word, as in most transforms, is no emphasis and stays readable.
    return re.sub(r"([\\`*|\[\]~$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", one_line)


def _study(section: StudySection) -> Iterator[str]:
    yield f"{outcome_counts(section.findings)}."
    yield ""
    for finding in worst_first(section.findings)[:_MOST_REASONS]:
        yield f"- {finding.verdict.outcome.value}: {escape(finding_line(finding))}"


def _gate(report: RunReport) -> Iterator[str]:
    if not report.gate_tests:
        return
    several = len({test.model for test in report.gate_tests}) > 1
    level = f"{report.gate_tests[0].change.level:g} % interval"
    head = ["condition", "baseline, %", "now, %", "change", level, "p worse", "beyond control", "result"]
    rows = []
    for test in report.gate_tests:
        result, change, beyond = test.result, test.change, test.beyond_control
        label = report.condition_label(test.condition)
        word = gate_word(test)
        rows.append(
            [
                escape(f"{report.labels[test.model]} {label}" if several else label),
                f"{result.control:.2f}",
                f"{result.treated:.2f}",
                fine_points(result.difference),
                f"{fine_points(change.low)} to {fine_points(change.high)}",
                p_value(test.p_worse),
                "" if beyond is None else fine_points(beyond.value),
                f"**{word}** {escape(by_classes(test))}".rstrip() if test.verdict.outcome is Outcome.FAIL else word,
            ]
        )
    yield from _table(head, rows, numbers=range(1, 7))
    failed = [test for test in report.gate_tests if test.verdict.outcome is Outcome.FAIL]
    if failed:
        yield ""
    for test in failed:
        fallen = abridged([f"{fall.name} {points(fall.result.difference)}" for fall in test.fallen], _MOST_NAMES)
        classes = f". Classes that fell: {fallen}" if fallen else ""
        yield f"- {escape(f'{report.labels[test.model]} under {report.condition_label(test.condition)}')}: " + escape(
            f"{test.verdict.reason}{classes}"
        )


def _models(report: RunReport) -> list[str]:
    if not report.model_tests:
        return []
    tests: dict[Condition, list[ModelTest]] = {condition: [] for condition in report.model_conditions}
    for test in report.model_tests:
        tests[test.condition].append(test)
    errors = Counter(cell.condition for cell in report.unjudged)
    rows = []
    for condition, found in tests.items():
        failed = [report.labels[test.model] for test in found if test.failed]
        change = report.changes.get(condition)
        rows.append(
            [
                escape(report.condition_label(condition)),
                _failed(len(failed), len(found), errors[condition]),
                *map(str, _evidence(report, found)),
                points(change.value) if change else "",
                interval(change.low, change.high) if change else "",
                escape(abridged(failed, _MOST_NAMES)),
            ]
        )
    seen = _evidence_names(report)
    several = len({test.model for test in report.model_tests}) > 1
    change_name = f"{'average ' if several else ''}change of {_measure(report)}"
    head = ["transform", "fail", *seen, change_name, "95 % interval", "which"]
    return _table(head, rows, numbers=range(1, 7))


def _measure(report: RunReport) -> str:
    if report.over_classes:
        return f"{'accuracy' if report.labelled else 'agreement'} (mean over classes)"
    return "top-1" if report.labelled else "agreement"


def _failed(failed: int, tests: int, errors: int) -> str:
    """Return how many of the tests fail, and how many could not be made, because of an error."""
    return ", ".join([f"{failed} of {tests}"] * bool(tests) + [counted(errors, "error")] * bool(errors))


def _each_model(report: RunReport) -> list[str]:
    """Return a row for each model: how good it is without a transform, and how its tests ended."""
    if not report.model_tests:
        return []
    errors = Counter(cell.model for cell in report.unjudged)
    tests: dict[str, list[ModelTest]] = {test.model: [] for test in report.model_tests}
    tests |= {model: [] for model in report.models if errors[model] and model not in tests}
    for test in report.model_tests:
        tests[test.model].append(test)
    rows = []
    for model, found in list(tests.items())[:_MOST_MODELS]:
        control = report.control_accuracy(model)
        worst = min(found, key=lambda test: test.change.difference, default=None)
        rows.append(
            [
                escape(report.labels[model]),
                "" if control is None else f"{control:.1f}",
                "" if worst is None else str(worst.change.n),
                _failed(sum(test.failed for test in found), len(found), errors[model]),
                *map(str, _evidence(report, found) if found else [""] * len(_evidence_names(report))),
                "error"
                if worst is None
                else escape(f"{report.condition_label(worst.condition)} {points(worst.change.difference)}"),
            ]
        )
    head = ["model", "control, %", "images", "fail", *_evidence_names(report), _WORST]
    lines = _table(head, rows, numbers=range(1, 7))
    left = len(tests) - len(rows)
    lines += ["", f"{counted(left, 'more model')}: see results.json"] if left else []
    return lines if len(tests) <= _FEW_MODELS else _folded(counted(len(tests), "model"), lines)


def _evidence_names(report: RunReport) -> list[str]:
    return ["t-test rejects", f"images beyond {report.margin_text}", "inconclusive"]


def _evidence(report: RunReport, tests: Iterable[ModelTest]) -> list[int]:
    """Return of how many tests the t-test rejects, the images show a change beyond the margin, nothing is decided."""
    marks = [summary.mark(test, report.policy).sign for test in tests]
    return [sum(sign in found for found in marks) for sign in "*!?"]


def _classes(report: RunReport) -> list[str]:
    rows = []
    for test in report.class_tests:
        count = f"{len(test.sensitive)} of {test.tested}" if test.tested else "inconclusive"
        failed, beyond = test.verdict.outcome is Outcome.FAIL, len(test.beyond_anywhere)
        rows.append(
            [
                escape(report.condition_label(test.condition)),
                f"**{count}**" if failed and len(test.sensitive) > test.allowed else count,
                str(test.tested - len(test.sensitive)),
                str(test.allowed),
                f"**{beyond}**" if failed and beyond else str(beyond),
                str(test.blind),
                escape(abridged([*_class_texts(test)], _MOST_NAMES)),
            ]
        )
    worst = "worst: expected change (measured)"
    worst += f"; {UNSHOWN} no test shows it" * any(test.unshown for test in report.class_tests)
    head = [
        "transform",
        "sensitive",
        "insensitive",
        "allowed",
        f"beyond {report.policy.class_margin:g} points",
        "blind",
        worst,
    ]
    return _table(head, rows, numbers=range(1, 6))


def _class_texts(test: ClassTest) -> Iterator[str]:
    unshown = {finding.index for finding in test.unshown}
    alone = {fall.index: f", {points(fall.difference)} in {fall.model} alone" for fall in reversed(test.alone)}
    for finding in test.worst:
        mark, also = UNSHOWN * (finding.index in unshown), alone.get(finding.index, "")
        yield f"{finding.name} {points(finding.expected_change)}{mark} ({points(finding.measured_change)}{also})"


def _passed(report: RunReport) -> list[str]:
    return _listed(summary.reasons(report, Outcome.PASS))


def _listed(found: Sequence[str]) -> list[str]:
    lines = [f"- {escape(reason)}" for reason in found[:_MOST_REASONS]]
    left = len(found) - len(lines)
    return lines + ([f"- {left:,} more, in results.json"] if left else [])


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    """Return lines that a reader unfolds; nothing if there are none."""
    return [f"<details><summary>{escape(title)}</summary>", "", *lines, "", "</details>"] if lines else []


def _errors(report: RunReport) -> list[str]:
    texts = list(dict.fromkeys(report.errors.values()))
    lines = [f"- {escape(text)}" for text in texts[:_MOST_ERRORS]]
    left = len(texts) - len(lines)
    return lines + ([f"- {counted(left, 'more error')}"] if left else [])


def _notes(report: RunReport) -> Iterator[str]:
    if report.skipped:
        yield f"{counted(len(report.skipped), 'image')} could not be read and took no part."
    yield from report.notes
    yield from report.data_notes


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
