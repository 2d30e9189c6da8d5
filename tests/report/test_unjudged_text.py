"""The verdict, the summary and the page say of every model that could not be judged that it was not."""

from __future__ import annotations

import dataclasses
import re

import pytest

from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.report import markdown, summary
from pytest_robustness.report.page import render
from tests.simulated import simulated_report

VFLIP, HFLIP, ZOOM = Condition("vflip"), Condition("hflip"), Condition("zoom", 3)
MODELS = ("ant", "bee", "cat", "dog", "eel")


def without(*errors):
    """Return a report of five models under three conditions, in which so many cells failed."""
    report = simulated_report(
        models=MODELS, classes=[f"c{i}" for i in range(6)], transforms=["vflip", "hflip", "zoom"], images=30
    )
    failed = {Cell(model, condition): f"{model} is ill" for model, condition in errors}
    return dataclasses.replace(
        report,
        errors=failed,
        counts={cell: counts for cell, counts in report.counts.items() if cell not in failed},
        model_tests=tuple(test for test in report.model_tests if Cell(test.model, test.condition) not in failed),
        class_tests=(),
    )


def all_of(*models):
    return [(model, condition) for model in models for condition in (CONTROL, VFLIP, HFLIP, ZOOM)]


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ([], ""),
        (all_of("ant"), "1 of 5 models could not be judged: ant."),
        (all_of("ant", "cat"), "2 of 5 models could not be judged: ant and cat."),
        (all_of("ant", "bee", "cat", "dog"), "4 of 5 models could not be judged: ant, bee, cat and 1 more."),
        ([("dog", VFLIP)], "dog could not be judged under vflip."),
        ([("dog", VFLIP), ("dog", ZOOM)], "dog could not be judged under vflip and zoom."),
        (
            [*all_of("ant"), ("dog", VFLIP), ("eel", ZOOM)],
            (
                "1 of 5 models could not be judged: ant. "
                "2 models could not be judged under some transforms: dog and eel."
            ),
        ),
    ],
)
def test_what_could_not_be_judged_is_in_the_verdict_in_the_tables_and_above_the_tabs(errors, sentence):
    report = without(*errors)
    assert "".join(re.findall(r"[^.]*could not be judged.*?\.(?= [A-Z][a-z]+ )", summary.verdict(report))).strip() == (
        sentence
    )
    lines = markdown.render(report).splitlines()
    failed = {cell.model: 0 for cell in report.errors}
    for cell in report.errors:
        failed[cell.model] += cell.condition != CONTROL
    for model, count in failed.items():
        (row,) = (line for line in lines if line.startswith(f"| {model} |"))
        assert f"{count} error{'s' * (count > 1)}" in row
    assert not any("error" in line for line in lines if line.startswith("| ") and line[2:5] in {*MODELS} - {*failed})
    above, _, below = render.render(report).partition('<nav id="tabs"')
    for model in failed:
        assert f"{model} is ill" in above
    assert " is ill</p>" not in below


@pytest.mark.parametrize(("missing", "text"), [(0, "."), (1, "; 1 could not be made, of bee."), (3, "bee and cat.")])
def test_the_verdict_counts_the_comparisons_that_could_not_be_made(findings, missing, text):
    made = tuple(findings.compared(condition, "PASS", model="ant") for condition in (CONTROL, VFLIP))
    cells = [Cell("bee", VFLIP), Cell("cat", VFLIP), Cell("cat", CONTROL)][:missing]
    # What no comparison was asked of is none that is missing.
    errors = dict.fromkeys([*cells, *([Cell("cat", ZOOM)] if missing else [])], "no counterpart")
    view = findings.view(
        models=MODELS,
        labels={model: model for model in MODELS},
        gate_tests=made,
        model_tests=(),
        class_tests=(),
        errors=errors,
    )
    first = "None of 2 comparisons with the baseline shows a loss of robustness"
    (sentence,) = re.findall(rf"^{first}.*?\.(?= )", summary.verdict(view))
    assert sentence.endswith(text)
    assert ("could not be made" in sentence) is bool(missing)
