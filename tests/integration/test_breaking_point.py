"""The study ``breaking_point`` in a whole run: on request, as tests, in the report and from a user's own test."""

from __future__ import annotations

import pytest

OPTIONS = ("-k", "breaking_point", "--robustness-transforms=rotation,vflip")
OWN_TEST = """
def test_own(robustness):
    finding = robustness.breaking_point("python:nets.py:slope", "rotation")
    assert finding.study == "breaking_point"
    assert finding.figures["level"] == 30
    assert 0 < finding.figures["breaking_point"] <= 90
    assert finding.figures["evaluations"] <= 25
    mildest = robustness.breaking_point("python:nets.py:slope", "rotation", severity=1)
    assert mildest.figures["level"] == 5
"""


def ended(result):
    return {name: n for name, n in result.parseoutcomes().items() if name in {"passed", "failed", "skipped", "errors"}}


@pytest.mark.slow
def test_it_runs_for_transforms_with_levels_and_every_report_has_it(project):
    result = project.judge(*OPTIONS)
    assert sum(ended(result).values()) == 2
    found = project.results()["studies"]["breaking_point"]
    assert [row["transform"] for row in found] == ["rotation", "rotation"]
    table = project.table("studies/breaking_point.csv")
    assert table["level"].tolist() == [30, 30]
    points = project.table("studies/breaking_point-points.csv")
    by_model = points.groupby("models")
    assert by_model.size().to_dict() == {row["models"][0]: row["evaluations"] + 1 for row in found}
    assert (by_model["magnitude"].agg(["min", "max"]) == [0, 90]).all(axis=None)
    # The net that sees above from below is turned around at 90 degrees at the latest; the one that sees colour is not.
    slope, colour = found
    assert 0 < slope["breaking_point"] < 90
    assert colour["breaking_point"] is None


def test_a_chain_upside_down_begins_with_what_that_alone_costs(project):
    project.judge("-k", "breaking_point", "--robustness-transforms=vflip+rotation", "--robustness-report=searched")
    project.judge("-k", "test_model", "--robustness-transforms=vflip+rotation:0", "--robustness-report=judged")
    points = project.table("studies/breaking_point-points.csv", "searched")
    first = points[points["magnitude"] == 0].set_index("models")["accuracy"]
    judged = project.table("accuracy.csv", "judged").query("transform == 'vflip+rotation:0'")
    # The two classes have as many images each, so that accuracy is the mean over the classes.
    assert first.to_dict() == pytest.approx(project_accuracy(judged))
    slope, colour = project.results("searched")["studies"]["breaking_point"]
    assert (slope["breaking_point"], slope["high"], slope["outcome"]) == (0, 0, "FAIL")
    assert colour["breaking_point"] is None


def project_accuracy(table):
    """Return accuracy in percent by model."""
    totals = table.groupby("model")[["correct", "n"]].sum()
    return (100 * totals["correct"] / totals["n"]).to_dict()


@pytest.mark.slow
def test_a_second_run_computes_nothing_and_says_the_same(project):
    project.judge(*OPTIONS).stdout.fnmatch_lines("*sweep of 40 images*")
    found, stored = project.results()["studies"], project.stored()
    # No magnitude is computed twice; that of the severity is the severity's own.
    assert set(stored.values()) == {40}
    result = project.judge(*OPTIONS)
    result.stdout.no_fnmatch_line("*sweep of*")
    assert project.results()["studies"] == found
    assert project.stored() == stored


def test_it_is_no_part_of_other_runs(project):
    project.judge("--robustness-transforms=rotation")
    assert project.results().get("studies", {}) == {}


def test_a_model_that_fails_at_a_magnitude_is_an_error(project):
    project.write(
        "conftest.py",
        """
def pytest_robustness_register(registry):
    @registry.transform("brittle", levels=(1.0, 2.0, 3.0), neutral=0.0, continuous=True, version=1)
    def brittle(images, level):
        if level not in (1.0, 2.0, 3.0):
            raise ValueError(f"no level {level}")
        return images
""",
    )
    result = project.judge("-k", "breaking_point", "--robustness-transforms=brittle")
    assert "passed" not in ended(result)
    assert "no level" in result.stdout.str()


def test_a_test_of_ones_own_asks_it_by_names(project):
    project.write("test_own.py", OWN_TEST)
    project.run("test_own.py").assert_outcomes(passed=1)


@pytest.mark.slow
def test_several_processes_find_the_same(project):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    project.judge(*OPTIONS)
    found = project.results()["studies"]
    project.judge_apart(*OPTIONS, "-n", "2", "--robustness-store=apart.sqlite")
    assert project.results()["studies"] == found
    assert set(project.stored("apart.sqlite").values()) == {40}


def test_a_model_that_guesses_keeps_nothing_that_could_be_lost(project):
    guess = ("--robustness-models=python:nets.py:guess", "--robustness-transforms=rotation", "--robustness-margin=20")
    arguments = ("-k", "breaking_point", *guess)
    for options, outcome in (((), "INCONCLUSIVE"), (("--robustness-chance-check=warn",), "PASS")):
        project.judge(*arguments, *options)
        (found,) = project.results()["studies"]["breaking_point"]
        assert found["outcome"] == outcome
        assert ("no better than guessing" in found["reason"]) == (outcome == "INCONCLUSIVE")
