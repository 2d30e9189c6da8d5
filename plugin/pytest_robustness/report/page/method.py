"""Describe the method in sentences, and collect the provenance of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_robustness.report.number_text import counted

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.report.run_report import RunReport

_TESTS = {
    "independent": "Student's two-sample t-test",
    "welch": "Welch's two-sample t-test",
    "paired": "the paired t-test",
    "mcnemar": "McNemar's exact test",
}
_CORRECTIONS = {
    "none": "without correction for the number of",
    "bh": "with Benjamini and Hochberg's correction over the",
    "holm": "with Holm's correction over the",
}
_CHANCE = ": as many as chance alone would give in 95 of 100 runs"
# These have places of their own on the page.
_KNOWN = ("command", "options", "models", "dataset", "packages")


def sentences(report: RunReport) -> list[str]:
    """Return a sentence on how classes were tested and one on how models were, where they were tested."""
    return [
        *(_class_sentence(report, test) for test in report.class_tests[:1]),
        *(_model_sentence(report, test) for test in report.model_tests[:1]),
    ]


def _class_sentence(report: RunReport, test: ClassTest) -> str:
    most = report.policy.max_sensitive
    kind = _TESTS[test.classes[0].result.test] if test.classes else "a test"
    what = (
        f"the images of the class that {report.labels[test.models[0]]} gets right"
        if test.one_model
        else f"the accuracies of {len(test.models)} models on the class"
    )
    return (
        f"Class test: {kind} between {what}, in control and under the transform, two-sided, at {_level(report)} "
        f"classes. A class whose p is below alpha is sensitive. The test fails when more classes are sensitive than "
        f"--robustness-max-sensitive={most} allows{_CHANCE if most == 'chance' else ''}."
    )


def _model_sentence(report: RunReport, test: ModelTest) -> str:
    if report.question.margin is not None:
        classes = counted(test.result.n, "class", "classes")
        alpha = report.policy.alpha
        return (
            f"Model test: two one-sided t-tests of the model's accuracies on {classes}, in control and under the "
            f"transform, at alpha {alpha}. It passes where the mean is shown to stay within "
            f"{report.question.margin_text}, and fails where it is shown not to."
        )
    return (
        f"Model test: {_TESTS[test.result.test]} between the model's accuracies on "
        f"{counted(test.result.n, 'class', 'classes')}, in control and under the transform, two-sided, at "
        f"{_level(report)} models. A model whose p is below alpha is impacted, and fails."
    )


def _level(report: RunReport) -> str:
    return f"alpha {report.policy.alpha}, {_CORRECTIONS[report.policy.correction]}"


def environment(report: RunReport) -> dict[str, Any]:
    """Return the provenance that has no place of its own on the page: device, times and the like."""
    return {name.replace("_", " "): value for name, value in report.provenance.items() if name not in _KNOWN}
