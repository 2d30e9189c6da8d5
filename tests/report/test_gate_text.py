"""A comparison says which class fails it, and why an undecided one does."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.report import markdown
from pytest_robustness.report.finding_text import finding_lines
from pytest_robustness.report.gate_text import by_classes, why_undecided_fails
from pytest_robustness.report.terminal import render


@pytest.fixture
def broken(findings):
    """A comparison whose total did not change, and which so many classes fail by themselves."""

    def made(*changes):
        result = findings.on_images(difference=0.0)
        classes = tuple(
            ClassFinding(i, f"square{i}", dataclasses.replace(result, difference=change))
            for i, change in enumerate(changes)
        )
        return findings.compared(result=result, broken=classes, fallen=classes, model="digits:vgg16")

    return made


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ((), ""),
        ((-11.0,), "by a class: square0 -11.0"),
        ((-30.0, -11.0), "by classes: square0 -30.0, square1 -11.0"),
        ((-9.0, -8.0, -7.0, -6.0, -5.0), "by classes: square0 -9.0, square1 -8.0, square2 -7.0 and 2 more"),
    ],
)
def test_the_classes_that_fail_a_comparison_are_named_in_every_short_form(findings, broken, changes, text):
    test = broken(*changes)
    assert by_classes(test) == text
    view = findings.view(gate_tests=(test,))
    short = [
        finding_lines(test)[0][: len("+0.00 points, ") + len(text)],
        render(view, 200, False),
        markdown.render(view),
    ]
    said = [f"+0.00 points, {text}", f"vflip: less robust {text}", f"**less robust** {text} |"]
    if changes:
        assert [one in other for one, other in zip(said, short, strict=True)] == [True] * 3
    else:
        assert not any("by a class" in other or "by classes" in other for other in short)


@pytest.mark.parametrize(
    ("outcomes", "chosen", "text"),
    [
        ("PASS INCONCLUSIVE", None, ""),
        ("FAIL PASS", None, ("1 inconclusive comparison with the baseline fails because the environment variable CI is "
         "set; --robustness-inconclusive=skip or pass sets another outcome.")),
        ("FAIL FAIL", "fail", ("2 inconclusive comparisons with the baseline fail because of "
         "--robustness-inconclusive=fail.")),
    ],
)  # fmt: skip
def test_why_undecided_comparisons_fail(findings, outcomes, chosen, text):
    tests = [
        findings.compared(condition, undecided=True, verdict=Verdict(Outcome(outcome), "inconclusive: few"))
        for condition, outcome in zip((CONTROL, Condition("vflip")), outcomes.split(), strict=True)
    ]
    assert why_undecided_fails([*tests, findings.compared(Condition("hflip"))], chosen) == text
