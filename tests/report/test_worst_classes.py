"""Every report names the classes that fell most, whether or not a test shows it, and says which it does."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.test_result import Estimate
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.report import markdown
from pytest_robustness.report.finding_text import finding_lines
from pytest_robustness.report.terminal import render
from tests.simulated import simulated_report


@pytest.fixture
def unshown(findings):
    """A class test of two sensitive classes and one that lost everything on too few images."""

    def made(fall):
        images = findings.of_images(
            n=2, difference=fall, p_value=0.5, p_adjusted=1.0, blind=True, pooled=Estimate(fall, fall - 5, fall + 5)
        )
        lost = ClassFinding(2, "zero", findings.result(difference=fall, p_value=0.5, p_adjusted=0.5), images)
        plain = findings.classes()
        return dataclasses.replace(plain, classes=(*plain.classes[:2], lost), unshown=(lost,))

    return made


def falls(report, condition):
    """Return the change of each class in points from the counts alone, averaged over the models: float64 [C]."""
    found = []
    for model in report.models:
        before, after = (report.counts[Cell(model, which)] for which in (CONTROL, condition))
        found.append(100 * (after.correct - before.correct) / before.n)
    return np.mean(found, axis=0)


@pytest.mark.parametrize(("models", "images"), [(3, 1), (15, 2), (3, 3), (1, 4), (12, 5), (3, 20), (2, 100)])
def test_the_classes_that_fell_beyond_the_margin_are_all_among_the_worst_however_few_their_images(models, images):
    names = [f"net{i}" for i in range(models)]
    report = simulated_report(
        models=names, classes=[f"c{i}" for i in range(40)], transforms=["vflip", "hflip"], images=images
    )
    text = markdown.render(report)
    lines = render(report, 100, color=False).splitlines()
    for test in report.class_tests:
        fell = falls(report, test.condition)
        proven = {found.index for found in (*test.sensitive, *test.beyond, *test.alone)}
        assert {finding.index for finding in test.worst} == proven | set(np.flatnonzero(fell < -10))
        assert {finding.index for finding in test.unshown}.isdisjoint(proven)
        changes = [finding.expected_change for finding in test.worst]
        assert changes == sorted(changes)
        if not test.worst:
            continue
        first = test.worst[0]
        mark = "" if first.index in proven else "?"
        name = re.escape(first.name)
        label = report.condition_label(test.condition)
        assert any(re.match(rf"{label} +{name} [-+\d.]+{re.escape(mark)} \(", line) for line in lines)
        assert re.search(rf"\| {label} \|.*\| {name} [−+\d.]+{re.escape(mark)} \(", text)
        assert any(re.match(rf"  {name} .*\d{re.escape(mark)} ", line) for line in finding_lines(test))


@pytest.mark.parametrize(("fall", "said"), [(-100.0, True), (-61.0, True), (-60.0, False), (-20.0, False)])
def test_the_headline_of_a_failure_says_of_a_larger_fall_that_no_test_shows_it(unshown, fall, said):
    headline, *lines = finding_lines(unshown(fall))
    more = f" [{fall:.1f} in class zero, which no test shows]" if said else ""
    assert headline.startswith(f"-60.0 points (SEVERE) in class nine{more}: vflip: ")
    assert lines[-1] == "  ? no test shows this fall"
    assert [line.split()[3] for line in lines if line.startswith("  zero")] == [f"{fall:.1f}?"]


def test_the_mark_is_explained_only_where_it_stands(findings, unshown):
    for test, there in ((unshown(-100.0), True), (findings.classes(), False)):
        view = findings.view(class_tests=(test,))
        for text in (render(view, 100, color=False), markdown.render(view), "\n".join(finding_lines(test))):
            assert ("no test shows" in text) is there
            assert ("? (" in text or "0.0? " in text) is there
