"""Sum up a run: its outcome, the verdict in a sentence or two, and the mark of each model test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.report.number_text import counted, points

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import ModelTest
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport


def outcome(report: RunReport) -> Outcome:
    """Return the outcome of the run: FAIL if any test failed, else INCONCLUSIVE if any is, or any could not be run."""
    verdicts = [
        *(test.verdict for test in report.model_tests),
        *(test.verdict for test in report.class_tests),
        *(test.verdict for test in report.gate_tests),
    ]
    found = {verdict.outcome for verdict in verdicts}
    if Outcome.FAIL in found:
        return Outcome.FAIL
    return Outcome.INCONCLUSIVE if Outcome.INCONCLUSIVE in found or report.errors or not found else Outcome.PASS


def verdict(report: RunReport) -> str:
    """Return the verdict in a sentence or two."""
    gate = _gate_sentence(report)
    parts = [
        gate,
        _models_sentence(report),
        _known_sentence(report),
        _extremes_sentence(report),
        _classes_sentence(report),
    ]
    text = " ".join(part for part in parts if part)
    return text or "Nothing could be tested: see the errors below."


def noun(report: RunReport) -> str:
    """Return what to call the report's conditions: transforms, where each ran at one severity."""
    several = len({condition.transform for condition in report.conditions}) < len(report.conditions)
    return "condition" if several else "transform"


def shown(report: RunReport) -> tuple[Condition, ...]:
    """Return the conditions under which anything was computed, or should have been."""
    seen = {cell.condition for cell in (*report.counts, *report.errors)}
    return tuple(condition for condition in report.conditions if condition in seen)


def mark(test: ModelTest | None) -> str:
    """Return the sign beside a model's figure: ``*`` impacted, ``(*)`` impacted and known, ``?`` inconclusive."""
    if test is None or test.found is Outcome.PASS:
        return ""
    if test.found is Outcome.INCONCLUSIVE:
        return "?"
    return "(*)" if test.known else "*"


def _gate_sentence(report: RunReport) -> str:
    tests = report.gate_tests
    if not tests:
        return ""
    undecided = sum(test.undecided for test in tests)
    worse = sum(test.verdict.outcome is Outcome.FAIL and not test.undecided for test in tests)
    show = "shows" if worse < 2 else "show"
    more = f"; {undecided} {'is' if undecided == 1 else 'are'} undecided" if undecided else ""
    compared = counted(len(tests), "comparison")
    return f"{worse or 'None'} of {compared} with the baseline {show} a loss of robustness{more}."


def _known_sentence(report: RunReport) -> str:
    known, impacted = (sum(getattr(test, name) for test in report.model_tests) for name in ("known", "impacted"))
    if not known:
        return ""
    some = f"All {impacted}" if known == impacted > 1 else f"{known} of {impacted}"
    findings = "findings are" if known > 1 else "findings is" if impacted > 1 else "finding is"
    return f"{some} {findings} known from the baseline, and not shown to be worse."


def _models_sentence(report: RunReport) -> str:
    models = {test.model for test in report.model_tests}
    conditions = {test.condition for test in report.model_tests}
    impacted = {test.model for test in report.model_tests if test.impacted}
    if not models:
        return ""
    word = report.question.impacted
    relation = report.question.preposition
    only = report.condition_label(next(iter(conditions))) if len(conditions) == 1 else ""
    by = only or f"{'at least one' if impacted else 'any'} of {counted(len(conditions), noun(report))}"
    if len(models) == 1:
        name = report.labels[next(iter(models))]
        return f"{name} is {word if impacted else f'not shown to be {word}'} {relation} {by}."
    if not impacted:
        return f"None of {len(models)} models is shown to be {word} {relation} {by}."
    if len(impacted) == len(models):
        return f"{'Both' if len(models) == 2 else f'All {len(models)}'} models are {word} {relation} {by}."
    return f"{len(impacted)} of {len(models)} models {'is' if len(impacted) == 1 else 'are'} {word} {relation} {by}."


def _extremes_sentence(report: RunReport) -> str:
    found = [(report.changes[c].value, report.condition_label(c)) for c in shown(report) if c in report.changes]
    if len(found) < 2:
        return ""
    fall, worst = min(found)
    change, mildest = min(found, key=lambda pair: abs(pair[0]))
    if fall >= 0:
        return f"Accuracy changes least under {mildest} ({points(change)} points on average)."
    return (
        f"Accuracy falls most under {worst} ({points(fall)} points on average) and changes least under {mildest} "
        f"({points(change)})."
    )


def _classes_sentence(report: RunReport) -> str:
    tests = report.class_tests
    if not tests:
        return ""
    outcomes = [test.verdict.outcome for test in tests]
    exceeded = sum(len(test.sensitive) > test.allowed for test in tests)
    # Where more are sensitive and the test passes, the baseline expects them.
    known = exceeded - outcomes.count(Outcome.FAIL)
    undecided = outcomes.count(Outcome.INCONCLUSIVE)
    if len(tests) == 1:
        where = report.condition_label(tests[0].condition)
        if undecided:
            return f"The test of the classes under {where} is inconclusive."
        more, too = "more" if exceeded else "no more", ", which the baseline knows" if known else ""
        return f"Under {where} {more} classes are sensitive than allowed{too}."
    where = counted(len(tests), noun(report))
    if undecided == len(tests):
        return f"The tests of the classes are inconclusive under all {where}."
    some = f"all {where}" if exceeded == len(tests) else f"{exceeded or 'none'} of {where}"
    of_them = f", {'all' if known == exceeded else known} known from the baseline" if known else ""
    more = f"; {undecided} {'is' if undecided == 1 else 'are'} inconclusive" if undecided else ""
    return f"Under {some} more classes are sensitive than allowed{of_them}{more}."
