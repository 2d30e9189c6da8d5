"""The summary that a report holds is that of the last run, or there is none."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from pytest import ExitCode  # noqa: PT013

ACTION = Path(__file__).parents[2] / "action.yml"


@pytest.fixture
def judged(project):
    """The tiny project, judged once; returns it and the summary of its report."""
    project.judge("-k", "slope and hflip")
    summary = project.path / "reports/latest/summary.md"
    assert "PASS" in summary.read_text(encoding="utf-8")
    return project, summary


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--robustness-baseline=none.json"], ExitCode.USAGE_ERROR),
        (["--robustness-margin=-1"], ExitCode.USAGE_ERROR),
        (["--robustness-transforms=unknown"], ExitCode.USAGE_ERROR),
        (["--robustness-data=folder:gone"], ExitCode.USAGE_ERROR),
        (["-k", "no_such_test"], ExitCode.NO_TESTS_COLLECTED),
    ],
)
def test_a_run_that_judges_nothing_leaves_no_summary_of_an_earlier_one(judged, arguments, code):
    project, summary = judged
    assert project.judge(*arguments).ret == code
    assert not summary.exists()


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--robustness-margin=-1"], ExitCode.USAGE_ERROR), (["-k", "no_such_test"], None)]
)
def test_a_summary_elsewhere_is_left_alone(judged, arguments, code):
    project, summary = judged
    result = project.judge(*arguments, "--robustness-report=elsewhere")
    assert result.ret == (code or ExitCode.NO_TESTS_COLLECTED)
    assert summary.exists()


@pytest.mark.parametrize("asked", ["--collect-only", "--robustness-plan", "--robustness-list"])
def test_what_judges_nothing_on_purpose_leaves_the_summary(judged, asked):
    project, summary = judged
    project.judge(asked)
    assert summary.exists()


@pytest.mark.parametrize(
    ("argument", "asked"), [("robustness", "robustness"), ("request", 'request.getfixturevalue("robustness")')]
)
def test_a_run_that_is_killed_leaves_none_once_it_has_asked(judged, argument, asked):
    project, summary = judged
    text = f"""
    from pathlib import Path

    def test_mine({argument}):
        {asked}
        assert not Path({str(summary)!r}).exists()
    """
    project.write("test_mine.py", text)
    project.run("test_mine.py").assert_outcomes(passed=1)


def test_other_tests_leave_the_summary(judged):
    project, summary = judged
    project.write("test_other.py", "def test_other():\n    pass\n")
    project.run("test_other.py", "--pyargs", "robustness_tests", "-k", "test_other").assert_outcomes(
        passed=1, deselected=6
    )
    assert summary.exists()


def test_tests_with_a_fixture_of_the_same_name_leave_the_summary(judged):
    project, summary = judged
    own = "import pytest\n\n@pytest.fixture\ndef robustness():\n    return 3\n\ndef test_own(robustness):\n    pass\n"
    project.write("test_other.py", own)
    assert project.run("test_other.py", "-k", "no_such_test").ret == ExitCode.NO_TESTS_COLLECTED
    assert summary.exists()


def test_the_action_removes_the_summary_before_it_judges(tmp_path):
    (script,) = re.findall(
        r"    - name: Judge\n.*?      run: \|\n(.*?)\n    - name", ACTION.read_text(encoding="utf-8"), re.S
    )
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 4\n", encoding="utf-8")
    python.chmod(0o755)
    summary = tmp_path / "my report" / "summary.md"
    summary.parent.mkdir()
    summary.write_text("PASS", encoding="utf-8")
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "OPTIONS": "",
        "REPORT": str(summary.parent),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    subprocess.run(["bash", "-e", "-c", script], env=environment, check=True)
    assert not summary.exists()
    assert (tmp_path / "output").read_text(encoding="utf-8") == "exit-code=4\n"
