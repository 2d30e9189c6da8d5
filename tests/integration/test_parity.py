"""Export parity in a whole run: on request, a test for each export, in every report and from a user's own test."""

from __future__ import annotations

import html

import pytest

REFERENCE = "--robustness-reference=python:nets.py:slope"
EXPORTS = "--robustness-models=python:nets.py:slope python:nets.py:tilt python:nets.py:colour"
MARGIN = "--robustness-parity-margin=10"
OWN_TEST = """
def test_own(robustness):
    finding = robustness.parity("python:nets.py:tilt")
    assert (finding.study, finding.figures["otherwise"]) == ("parity", 0)
    assert robustness.parity("python:nets.py:tilt", "vflip").figures["reference"] == "python:nets.py:slope"
"""

FAILING = """
import torch


class Broken(torch.nn.Module):
    def forward(self, images):
        raise ValueError("no such size")


def broken():
    return Broken()


def gone():
    raise FileNotFoundError("weights.pt")
"""


def test_each_export_is_compared_with_the_reference_and_every_report_has_it(project):
    result = project.judge(REFERENCE, EXPORTS, MARGIN, "-k", "parity", "-v", "--robustness-transforms=vflip")
    # `tilt` answers as `slope` does; `colour` does so in control, where both are right, and not upside down.
    result.assert_outcomes(passed=3, failed=1)
    found = {
        (row["models"][0].rpartition(":")[2], row["transform"]): row for row in project.results()["studies"]["parity"]
    }
    assert {key: row["outcome"] for key, row in found.items()} == {
        ("tilt", "control"): "PASS",
        ("colour", "control"): "PASS",
        ("tilt", "vflip"): "PASS",
        ("colour", "vflip"): "FAIL",
    }
    assert found["colour", "vflip"]["otherwise"] == 40
    table = project.table("studies/parity.csv")
    assert table["otherwise"].tolist() == [row["otherwise"] for row in found.values()]
    assert len(project.table("studies/parity-images.csv")) == 40
    assert "Export parity" in (project.path / "reports/latest/index.html").read_text()
    result.stdout.fnmatch_lines(["*test_parity[[]python:nets.py:tilt[]] PASSED*"])
    printed = " ".join(result.stdout.str().split())
    assert "wrong, if one is: pytest-robustness doctor python:nets.py:colour --data=folder:photos" in printed


def test_all_of_a_run_is_computed_in_one_sweep(project):
    result = project.judge(REFERENCE, MARGIN, "-k", "parity", "--robustness-models=python:nets.py:tilt")
    sweeps = [line for line in result.outlines if "sweep of" in line]
    assert len(sweeps) == 1
    assert sweeps[0].endswith("sweep of 40 images, 6 cells")


def test_it_is_no_part_of_other_runs_and_asked_for_by_the_option(project):
    project.judge(EXPORTS)
    assert project.results().get("studies", {}) == {}
    outcomes = project.judge(REFERENCE, EXPORTS, MARGIN, "--robustness-transforms=vflip").parseoutcomes()
    assert len(project.results()["studies"]["parity"]) == 4
    assert sum(outcomes.get(one, 0) for one in ("passed", "failed", "skipped")) == 4 + 3 + 1


def test_without_a_reference_each_model_is_a_skip_that_names_the_option(project):
    result = project.judge("-k", "parity", "-rs")
    result.assert_outcomes(skipped=2)
    assert "--robustness-reference=NAME" in result.stdout.str().replace("\n", " ").replace("  ", " ")


@pytest.mark.slow
def test_a_test_of_ones_own_asks_it(project):
    project.write("test_own.py", OWN_TEST)
    project.run("test_own.py", REFERENCE, EXPORTS).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--robustness-reference=digits12"], "*'digits12' is a preset of 12 models. Name one model.*"),
        (["--robustness-reference=digits:resnet"], "*'resnet' is not a digits model*"),
        (["--robustness-models=python:nets.py:slope", REFERENCE], "*is the reference of --robustness-reference*"),
    ],
)
def test_a_reference_that_cannot_be_one_is_a_usage_error(project, options, text):
    result = project.judge(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stderr.fnmatch_lines([text])


@pytest.mark.parametrize(
    ("factory", "reason", "selected"),
    [
        ("missing", "'missing' is not a function of ref.py", "parity"),
        ("broken", "ValueError: no such size", "parity"),
        ("gone", "FileNotFoundError: weights.pt", "parity"),
        ("gone", "FileNotFoundError: weights.pt", "parity and not vflip"),
        ("gone", "FileNotFoundError: weights.pt", "vflip"),
    ],
)
def test_a_reference_that_fails_is_an_error_of_each_comparison_and_in_every_report(
    project, monkeypatch, factory, reason, selected
):
    project.write("ref.py", FAILING)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = project.judge(
        *(f"--robustness-reference=python:ref.py:{factory}", "--robustness-transforms=vflip", "-k", selected)
    )
    printed = result.stdout.str()
    assert "fault of pytest-robustness" not in printed
    assert reason in printed
    assert result.parseoutcomes()["failed"] >= 2
    folder = project.path / "reports/latest"
    errors = (folder / "summary.md").read_text().partition("### Errors")[2]
    assert (errors.count("\n- "), reason in html.unescape(errors)) == (1, True)
    assert reason in html.unescape((folder / "index.html").read_text())
    assert {error["model"] for error in project.results()["errors"]} == {f"python:ref.py:{factory}"}


def test_a_model_that_only_a_test_of_ones_own_names_is_in_the_report_where_it_fails(project):
    project.write("ref.py", FAILING)
    asked = 'def test_own(robustness):\n    robustness.breaking_point("python:ref.py:gone", "rotation")\n'
    project.write("test_own.py", asked)
    project.run("test_own.py").assert_outcomes(failed=1)
    assert "FileNotFoundError: weights.pt" in (project.path / "reports/latest/index.html").read_text()
