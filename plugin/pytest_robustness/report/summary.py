"""Sum up a run: its outcome, the verdict in a sentence or two, and the mark of each model test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.baseline.known_findings import KNOWN
from pytest_robustness.analysis.falls_alone import in_single_models
from pytest_robustness.analysis.findings import ClassTest, GateTest
from pytest_robustness.analysis.policy import significantly_beyond
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.text import counted
from pytest_robustness.report.gate_text import gate_extremes_sentence, gate_sentence
from pytest_robustness.report.number_text import points
from pytest_robustness.report.study_text import outcome_counts
from pytest_robustness.report.unfinished_text import unfinished_sentence
from pytest_robustness.report.unjudged_text import unjudged_sentence

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import Finding, ModelTest
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport


_BY_RULE = {
    "article": "Judged by the t-tests alone (--robustness-verdict=article): a pass means that no change was shown, and "
    "excludes none.",
    "margin": "Judged by the images alone (--robustness-verdict=margin): t-tests are shown and decide nothing.",
}


class Mark(NamedTuple):
    """The sign beside a figure, and what it says in words; both are empty where nothing was found, or tested."""

    sign: str = ""
    words: str = ""


def outcome(report: RunReport) -> Outcome:
    """Return the outcome of the run: FAIL if any test failed, else INCONCLUSIVE if any is, or any has no verdict."""
    found = {test.verdict.outcome for test in findings(report)}
    if Outcome.FAIL in found:
        return Outcome.FAIL
    open_ = Outcome.INCONCLUSIVE in found or report.errors or report.unfinished
    return Outcome.INCONCLUSIVE if open_ or not found else Outcome.PASS


def findings(report: RunReport) -> list[Finding]:
    """Return every test of the run: of models, classes and images, against the baseline, and those of studies."""
    studied = (finding for section in report.studies for finding in section.findings)
    return [*report.model_tests, *report.class_tests, *report.image_tests, *report.gate_tests, *studied]


def reasons(report: RunReport, outcome: Outcome) -> list[str]:
    """Return the subject and the reason of every test with that outcome: what a PASS excludes, what would decide.

    An undecided comparison with the baseline is inconclusive, whatever ``--robustness-inconclusive`` makes of it.
    """
    return [
        f"{_subject(report, test)}: {test.verdict.reason.removeprefix('inconclusive: ')}"
        for test in findings(report)
        if test.against != "study"  # each has its own line, with its study
        and not getattr(test, "known", False)  # it passes, and is no pass
        and (Outcome.INCONCLUSIVE if getattr(test, "undecided", False) else test.verdict.outcome) is outcome
    ]


def known_findings(report: RunReport) -> list[str]:
    """Return subject and reason of every finding that the baseline has too, and that is not shown to be worse."""
    return [f"{_subject(report, test)}: {test.verdict.reason.removeprefix(KNOWN)}" for test in report.known]


def caveats(report: RunReport) -> list[str]:
    """Return what else to know of the verdict: what has none, labels, rule, how many tests could fail by chance."""
    notes = (unfinished_sentence(report), report.labels_note, report.outputs_note)
    return [text for text in (*notes, _correction_sentence(report), _rule_sentence(report)) if text]


def verdict(report: RunReport) -> str:
    """Return the verdict in a sentence or two."""
    parts = [
        gate_sentence(report),
        gate_extremes_sentence(report),
        _models_sentence(report),
        _undecided_sentence(report),
        unjudged_sentence(report, noun(report)) if findings(report) else "",
        _known_sentence(report),
        _extremes_sentence(report),
        _classes_sentence(report),
        f"Image tests: {outcome_counts(report.image_tests)}." if report.image_tests else "",
        *(f"{section.study.title}: {outcome_counts(section.findings)}." for section in report.studies),
    ]
    return " ".join(filter(None, parts)) or "Nothing could be tested: see the errors below."


def noun(report: RunReport) -> str:
    """Return what to call the report's conditions: transforms, where each ran at one severity."""
    several = len({condition.transform for condition in report.conditions}) < len(report.conditions)
    return "condition" if several else "transform"


def shown(report: RunReport) -> tuple[Condition, ...]:
    """Return the conditions under which anything was computed, or should have been."""
    seen = {cell.condition for cell in (*report.counts, *report.errors)}
    return tuple(condition for condition in report.conditions if condition in seen)


def mark(test: ModelTest | None, policy: TestPolicy) -> Mark:
    """Return how a test of a model is marked, whatever rule the verdict follows.

    ``*``: its t-test rejects. ``!``: the images show a change beyond the margin. ``?``: inconclusive. What the baseline
    knows stands in parentheses.
    """
    if test is None:
        return Mark()
    found = [
        ("*", "the t-test rejects", test.result.rejects(policy.alpha)),
        ("!", "beyond the margin", test.change.beyond(policy.margin)),
        ("?", "inconclusive", test.found is Outcome.INCONCLUSIVE),
    ]
    sign = "".join(sign for sign, _, there in found if there)
    words = ", ".join(words for _, words, there in found if there)
    return Mark(f"({sign})", f"{words}, known") if test.known else Mark(sign, words)


def gate_word(finding: GateTest) -> str:
    """Return a comparison with the baseline in a word or two, for a table."""
    if finding.undecided:
        return "inconclusive"
    if finding.verdict.outcome is Outcome.FAIL:
        return "less robust"
    return "better" if finding.improved else "ok"


def mark_meanings(report: RunReport) -> dict[str, str]:
    """Return what each sign says that `mark` gives in this report."""
    found = {mark(test, report.policy).sign for test in report.model_tests}
    margin = report.margin_text
    meanings = {
        "*": "its t-test rejects",
        "!": f"the images show a change of more than {margin}",
        "()": "a known finding: the baseline has it too",
        "?": "inconclusive",
    }
    return {sign: text for sign, text in meanings.items() if any(sign[0] in signs for signs in found)}


def _subject(report: RunReport, test: Finding) -> str:
    label = report.condition_label(test.condition)
    if isinstance(test, ClassTest):
        return f"the classes under {label}"
    against = " against the baseline" if test.against == "baseline" else ""
    return f"{report.labels[test.models[0]]}{against} under {label}"


def _correction_sentence(report: RunReport) -> str:
    tests = [test for test in report.model_tests if test.result.conclusive]
    policy = report.policy
    if len(tests) < 2 or policy.correction != "none" or not policy.uses_t_tests:
        return ""
    by_chance = len(tests) * policy.alpha
    about = f"{by_chance:.0f}" if by_chance >= 1 else f"{by_chance:.1g}"
    return (
        f"{counted(len(tests), 'test')} of models without correction over them: at alpha {policy.alpha:g} up to about "
        f"{about} would fail by chance if nothing changed (--robustness-correction)."
    )


def _rule_sentence(report: RunReport) -> str:
    text = _BY_RULE.get(report.policy.verdict, "")
    if not text or report.policy.uses_images:
        return text
    passed = [test.change for test in report.model_tests if test.found is Outcome.PASS]
    margin = report.margin_text
    beyond = sum(change.beyond(report.policy.margin) for change in passed)
    within = sum(change.within(report.policy.margin) for change in passed)
    if not passed:
        return text
    return (
        f"{text} Of {counted(len(passed), 'test')} of models that passed, the images show a change within {margin} in "
        f"{within}, beyond in {beyond}, and neither in {len(passed) - within - beyond}."
    )


def _undecided_sentence(report: RunReport) -> str:
    """Say how many tests of models fail, what those that pass exclude, and how many decide nothing."""
    tests, margin = report.model_tests, report.margin_text
    undecided = sum(test.found is Outcome.INCONCLUSIVE for test in tests)
    passed = sum(test.found is Outcome.PASS for test in tests) if report.policy.uses_images else 0
    of_all = f"of {counted(len(tests), 'test')} of models"
    failed = sum(test.verdict.outcome is Outcome.FAIL for test in tests) if passed or undecided else 0
    found = [
        (failed, "fails" if failed == 1 else "fail"),
        (passed, f"{'shows' if passed == 1 else 'show'} a change within {margin}"),
        (undecided, f"{'is' if undecided == 1 else 'are'} inconclusive"),
    ]
    counts = [(count, text) for count, text in found if count]
    parts = [f"{count} {'' if i else of_all + ' '}{text}" for i, (count, text) in enumerate(counts)]
    return f"{', '.join(parts)}." if parts else ""


def _known_sentence(report: RunReport) -> str:
    known, failed = (sum(getattr(test, name) for test in report.model_tests) for name in ("known", "failed"))
    if not known:
        return ""
    some = f"All {failed}" if known == failed > 1 else f"{known} of {failed}"
    findings = "findings are" if known > 1 else "findings is" if failed > 1 else "finding is"
    return f"{some} {findings} known from the baseline, and not shown to be worse."


def _models_sentence(report: RunReport) -> str:
    models = {test.model for test in report.model_tests}
    conditions = {test.condition for test in report.model_tests}
    failed = {test.model for test in report.model_tests if test.failed}
    if not models:
        return ""
    only = report.condition_label(next(iter(conditions))) if len(conditions) == 1 else ""
    some = f"{'at least one' if failed else 'any'} of {counted(len(conditions), noun(report))}"
    under = f"under {only or some}"
    if len(models) == 1:
        name = report.labels[next(iter(models))]
        return f"{name} {'fails' if failed else 'does not fail'} {under}."
    if not failed:
        return f"None of {len(models)} models fails {under}."
    if len(failed) == len(models):
        return f"{'Both' if len(models) == 2 else f'All {len(models)}'} models fail {under}."
    return f"{len(failed)} of {len(models)} models {'fails' if len(failed) == 1 else 'fail'} {under}."


def _extremes_sentence(report: RunReport) -> str:
    found = [(report.changes[c].value, report.condition_label(c)) for c in shown(report) if c in report.changes]
    if len(found) < 2:
        return ""
    # What a model alone does is no average.
    average = " on average" if len(report.averaged) > 1 else ""
    # Beside comparisons with a baseline it must be plain that this is none.
    accuracy = "Against control, accuracy" if report.gate_tests else "Accuracy"
    accuracy += ", the mean over classes," * report.over_classes
    fall, worst = min(found)
    change, mildest = min(found, key=lambda pair: abs(pair[0]))
    if fall >= 0:
        return f"{accuracy} changes least under {mildest} ({points(change)} points{average})."
    return (
        f"{accuracy} falls most under {worst} ({points(fall)} points{average}) and changes least under {mildest} "
        f"({points(change)})."
    )


def _classes_sentence(report: RunReport) -> str:
    tests, policy = report.class_tests, report.policy
    if not tests:
        return ""
    exceeded = [test for test in tests if policy.uses_t_tests and len(test.sensitive) > test.allowed]
    beyond = [test for test in tests if policy.uses_images and test.beyond_anywhere]
    found = {test.condition for test in (*exceeded, *beyond)}
    # What is found and does not fail, the baseline expects.
    known = sum(test.condition in found and test.verdict.outcome is Outcome.PASS for test in tests)
    undecided = sum(test.verdict.outcome is Outcome.INCONCLUSIVE for test in tests)
    if len(tests) == 1:
        return _one_class_sentence(report, known=known, undecided=undecided)
    where = counted(len(tests), noun(report))
    if undecided == len(tests):
        return f"The tests of the classes are inconclusive under all {where}."
    more = f"; {undecided} {'is' if undecided == 1 else 'are'} inconclusive" if undecided else ""
    kinds = [(exceeded, "more classes are sensitive than allowed")] if policy.uses_t_tests else []
    single = ", some only in single models" * any(not test.beyond for test in beyond)
    changed = f"classes changed {significantly_beyond(policy.class_margin)}{single}"
    kinds += [(beyond, changed)] if policy.uses_images else []
    if not found:
        return f"Under none of {where} {' or '.join(text for _, text in kinds)}{more}."
    of_all = [(f"all {where}" if len(seen) == len(tests) else f"{len(seen)} of {where}") for seen, _ in kinds]
    some = [f"under {place} {text}" for place, (seen, text) in zip(of_all, kinds, strict=True) if seen]
    of_them = f"; {'all' if known == len(found) else known} known from the baseline" if known else ""
    sentence = ", ".join(some)
    return f"{sentence[0].upper()}{sentence[1:]}{of_them}{more}."


def _one_class_sentence(report: RunReport, *, known: int, undecided: int) -> str:
    (test,) = report.class_tests
    policy, where = report.policy, report.condition_label(test.condition)
    if undecided:
        return f"The test of the classes under {where} is inconclusive."
    kinds = []
    if policy.uses_t_tests:
        kinds.append(
            f"{'more' if len(test.sensitive) > test.allowed else 'no more'} classes are sensitive than allowed"
        )
    if policy.uses_images:
        some = counted(len(test.beyond), "class", "classes") if test.beyond else "no class"
        kinds.append(f"{some} changed {significantly_beyond(policy.class_margin)}")
        kinds[-1] += f" over all models; {in_single_models(test.alone)}" * bool(test.alone)
    return f"Under {where} {' and '.join(kinds)}{', which the baseline knows' if known else ''}."
