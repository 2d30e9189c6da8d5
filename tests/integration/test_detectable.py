"""The study ``detectable`` in a whole run: on request, as tests, in the report and from a user's own test."""

from __future__ import annotations

import pytest

OWN_TEST = """
def test_own(robustness):
    finding = robustness.detectable("python:nets.py:colour", "hflip")
    assert finding.study == "detectable"
    assert finding.figures["images"] == 40
    both = robustness.detectable(["python:nets.py:colour", "python:nets.py:slope"], "hflip")
    assert len(both.models) == 2
"""


def test_it_runs_where_it_is_asked_for_and_every_report_has_it(project):
    result = project.judge("-k", "detectable")
    # A model and a transform each, and both models together for each transform.
    assert sum(result.parseoutcomes().get(outcome, 0) for outcome in ("passed", "failed", "skipped")) == 6
    found = project.results()["studies"]["detectable"]
    assert len(found) == 6
    table = project.table("studies/detectable.csv")
    assert table["outcome"].tolist() == [row["outcome"] for row in found]
    assert table["auroc"].tolist() == pytest.approx([row["auroc"] for row in found], abs=1e-9)
    bins = project.table("studies/detectable-bins.csv")
    assert set(bins["group"]) == {"control", "hflip", "vflip"}
    assert (bins.groupby(["models", "transform", "group"])["n"].sum() == 40).all()


def test_with_one_model_no_test_of_all_together_is_left_without_a_verdict(project):
    one = ("--robustness-models=python:nets.py:colour", "--robustness-transforms=hflip")
    result = project.judge("-k", "detectable", *one)
    assert result.parseoutcomes()["deselected"] > 0
    assert project.results()["unfinished"] == []
    assert project.judge("-k", "detectable_by_all", *one).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_it_is_no_part_of_other_runs_and_computes_no_cell_of_its_own(project):
    project.judge().assert_outcomes(failed=2, passed=4)
    stored = project.stored()
    assert project.results().get("studies", {}) == {}
    project.judge("--robustness-studies=detectable", "-m", "detectable")
    assert project.stored() == stored


def test_a_test_of_ones_own_asks_it_by_names(project):
    project.write("test_own.py", OWN_TEST)
    project.run("test_own.py").assert_outcomes(passed=1)
