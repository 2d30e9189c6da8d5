"""Every report names the test that was made of the classes: over the models, or over the images of one."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest

from pytest_robustness.core import Cell, Condition
from pytest_robustness.report import gallery, markdown, summary
from pytest_robustness.report.class_test_words import kind_of, words_of
from pytest_robustness.report.page import method, render
from pytest_robustness.report.terminal import render as terminal
from tests.simulated import simulated_report

ONE, TWO = ["a"], ["a", "b"]


def words(page):
    """Return the text of a page without markup, scripts and styles."""
    visible = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", visible)).split())


def shown(models, conditions=("zoom", "vflip")):
    """Return a report of these models, with an image in its gallery."""
    report = simulated_report(models=models, classes=["x", "y", "z"], transforms=list(conditions))
    test = report.class_tests[0]
    example = gallery.Example(test.condition, test.classes[0], True, False, 0, ())
    return dataclasses.replace(report, gallery=(example,))


@pytest.mark.parametrize(
    ("models", "there", "absent"),
    [
        (ONE, ["McNemar's exact test over the images rejects.", "(McNemar)", "Classes by McNemar's test"],
         ["over the models rejects", "(t-test)", "Classes by t-test", "Averages over models", "on average"]),
        (TWO, ["the t-test over the models rejects.", "(t-test)", "Classes by t-test", "Averages over models"],
         ["over the images rejects", "(McNemar)", "Classes by McNemar's test"]),
    ],
)  # fmt: skip
def test_the_page_names_the_test_that_was_made(models, there, absent):
    report = shown(models)
    page = words(render.render(report))
    assert [text for text in there if text not in page] == []
    assert [text for text in absent if text in page] == []
    assert page.count(f"Sensitive: {words_of(report.class_tests).one} rejects.") == 1
    assert f"sensitive, {words_of(report.class_tests).one} rejects" in page
    assert f"(*): {words_of(report.class_tests).one} rejects" in page


def test_runs_of_both_kinds_name_both():
    tests = [*shown(ONE).class_tests, *shown(TWO).class_tests]
    assert "McNemar" in words_of(tests).one
    assert "t-test over the models" in words_of(tests).one
    assert {kind_of(test.classes[0]) for test in tests} == {"McNemar", "t-test"}


def test_the_number_of_tests_is_by_kind():
    assert "6 of classes by McNemar, 2 of models by t-test" in method.tests_sentence(shown(ONE))
    assert "t-tests (6 of classes, 4 of models)" in method.tests_sentence(shown(TWO))


@pytest.mark.parametrize(("models", "average"), [(ONE, False), (TWO, True)])
def test_what_one_model_does_is_no_average(models, average):
    report = shown(models)
    assert ("on average" in summary.verdict(report)) is average
    assert ("average change" in markdown.render(report)) is average
    assert {Cell("a", Condition("vflip"))} <= set(report.counts)


@pytest.mark.parametrize("models", [ONE, TWO])
def test_the_terminal_agrees(models):
    report = shown(models)
    assert f"by their tests over the {words_of(report.class_tests).over}" in " ".join(
        terminal(report, 100, color=False).split()
    )
