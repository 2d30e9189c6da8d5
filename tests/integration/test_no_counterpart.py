"""A model that the baseline lacks is an error of every report, and takes no other model from it."""

from __future__ import annotations

import pytest

SLOPE, COLOUR = "python:nets.py:slope", "python:nets.py:colour"
REASON = f"'{COLOUR}' is not a model of the baseline. Known: {SLOPE}."
COMPARED = "--robustness-baseline=robustness-baseline.json"
EXPECTED = "--robustness-expect=baseline"


@pytest.fixture
def known(project):
    """A project whose baseline holds one of its two models."""
    project.configure(robustness_transforms="vflip", robustness_inconclusive="pass")
    project.judge(f"--robustness-models={SLOPE}", "--robustness-update-baseline", "--robustness-store=other.sqlite")
    return project


@pytest.mark.parametrize(
    ("arguments", "tests"),
    [
        (["-k", "baseline"], {"gate": {SLOPE}, "model_tests": set()}),
        ([], {"gate": {SLOPE}, "model_tests": {SLOPE, COLOUR}}),
        ([EXPECTED], {"gate": {SLOPE}, "model_tests": {SLOPE}}),
        ([EXPECTED, "-k", "classes"], {"gate": set(), "model_tests": set()}),
        ([EXPECTED, "-k", "model_is"], {"gate": set(), "model_tests": {SLOPE}}),
    ],
    ids=["gate", "own", "expected", "classes", "models"],
)
def test_a_model_without_a_counterpart_is_an_error_of_the_report(known, monkeypatch, arguments, tests):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = known.judge(COMPARED, *arguments)
    found = known.results()
    reported = {kind: {row["model"] for row in found[kind]} for kind in tests}
    assert reported == tests
    assert {row["model"] for row in found["errors"]} == {COLOUR}
    assert all(row["error"].startswith(REASON) for row in found["errors"])
    printed = " ".join(result.stdout.str().split())
    assert f"error: {REASON}" in printed
    assert "::error title=colour could not be judged" in printed
    text = (known.path / "reports/latest/summary.md").read_text(encoding="utf-8")
    assert not text.startswith("## Robustness: PASS")
    assert "### Errors" in text
    page = (known.path / "reports/latest/index.html").read_text(encoding="utf-8")
    assert "is not a model of the baseline" in page


def test_classes_are_judged_over_the_models_that_have_a_counterpart_and_never_pass(known):
    known.judge(COMPARED, EXPECTED)
    (summary,) = known.results()["class_summary"]
    assert (summary["models"], summary["left_out"]) == ([SLOPE], [COLOUR])
    assert summary["outcome"] != "PASS"
    assert f"; {COLOUR} could not be judged" in summary["reason"]


def test_a_run_without_any_counterpart_has_a_report(known):
    known.judge(COMPARED, EXPECTED, f"--robustness-models={COLOUR}")
    found = known.results()
    assert (found["gate"], found["model_tests"], found["class_tests"]) == ([], [], [])
    assert {row["transform"] for row in found["errors"]} == {"control", "vflip"}


def test_a_worker_reports_it_too(known):
    pytest.importorskip("xdist")
    known.judge(COMPARED, EXPECTED, "-n", "1")
    assert {row["model"] for row in known.results()["errors"]} == {COLOUR}
