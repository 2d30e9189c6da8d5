"""What programs read of a report is of the last run, or there is none; a page of an earlier run says that it is."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from pytest import ExitCode  # noqa: PT013

from pytest_robustness.frontends.session.session import RobustnessSession
from pytest_robustness.report.former import SENTENCE

ACTION = Path(__file__).parents[2] / "action.yml"


@pytest.fixture
def judged(project):
    """The tiny project, judged once; returns it and a function that returns what its report holds."""
    project.judge("-k", "slope and hflip")
    folder = project.path / "reports/latest"

    def held():
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert project.results()["outcome"] == "PASS"
    assert {*held()} == {*FILES}
    return project, held


FILES = ("accuracy.csv", "answers.npz", "images.csv", "index.html", "results.json", "summary.md", "tests.csv")
REFUSED = {
    "no baseline": ("--robustness-baseline=none.json",),
    "no such margin": ("--robustness-margin=-1",),
    "no such transform": ("--robustness-transforms=unknown",),
    "no data": ("--robustness-data=folder:gone",),
    "no data, of two workers": ("-n2", "--robustness-data=folder:gone"),
}
EMPTY = {"no test": ("-k", "no_such_test"), "no test, of two workers": ("-n2", "-k", "no_such_test")}


def assert_set_aside(held, earlier):
    """Check that of a report the page alone is left, and that it says whose it is."""
    (page,) = held().values()
    text = page.decode()
    assert f'<p class="warning" role="alert">{SENTENCE}</p>' in text.partition("<main>")[2][:400]
    assert "<title>Earlier run: robustness on folder:photos</title>" in text
    assert len(page) > len(earlier["index.html"])


@pytest.mark.parametrize(
    "what", [pytest.param(one, marks=pytest.mark.slow) if "workers" in one else one for one in (*REFUSED, *EMPTY)]
)
def test_a_run_that_judges_nothing_leaves_no_verdict_of_an_earlier_one(judged, what):
    project, held = judged
    earlier = held()
    code = ExitCode.USAGE_ERROR if what in REFUSED else ExitCode.NO_TESTS_COLLECTED
    for _ in range(2):
        assert project.judge(*(REFUSED | EMPTY)[what]).ret == code
        assert_set_aside(held, earlier)
    project.judge("-k", "slope and hflip")
    assert {*held()} == {*FILES}
    assert SENTENCE.encode() not in held()["index.html"]


@pytest.mark.parametrize("what", ["no such margin", "no data", "no test"])
def test_a_report_elsewhere_is_left_alone(judged, what):
    project, held = judged
    earlier = held()
    project.judge(*(REFUSED | EMPTY)[what], "--robustness-report=elsewhere")
    assert held() == earlier


@pytest.mark.parametrize("what", ["nothing", "no such margin", "no data"])
@pytest.mark.parametrize(
    "asked",
    [
        *("--collect-only", "--robustness-plan", "--robustness-list", "--help", "--version", "--markers", "--fixtures"),
        *("--fixtures-per-test", "--setup-plan", "--setup-only"),
    ],
)
def test_what_judges_nothing_on_purpose_leaves_the_report(judged, asked, what):
    project, held = judged
    earlier = held()
    result = project.judge(asked, *REFUSED.get(what, ()), "--robustness-update-baseline")
    assert held() == earlier
    assert not any("Nothing was judged" in line for line in result.outlines)
    assert not (project.path / "robustness-baseline.json").exists()


@pytest.mark.parametrize(
    ("argument", "asked"), [("robustness", "robustness"), ("request", 'request.getfixturevalue("robustness")')]
)
def test_a_run_that_is_killed_leaves_none_once_it_has_asked(judged, argument, asked):
    project, held = judged
    earlier = held()
    text = f"""
    from pathlib import Path

    def test_mine({argument}):
        {asked}
        assert [path.name for path in Path({str(project.path / "reports/latest")!r}).iterdir()] == ["index.html"]
    """
    project.write("test_mine.py", text)
    project.run("test_mine.py").assert_outcomes(passed=1)
    assert_set_aside(held, earlier)


def test_data_that_is_still_being_opened_finds_no_report_of_an_earlier_run(judged, monkeypatch):
    project, held = judged
    earlier = held()

    def killed(_):
        assert_set_aside(held, earlier)
        raise SystemExit(137)

    monkeypatch.setattr(RobustnessSession, "open_data", killed)
    assert project.judge().ret == ExitCode.INTERNAL_ERROR
    assert_set_aside(held, earlier)


# What ends a run before its tests are known: what conftest.py does, what is typed, the exit code.
BROKEN = {
    "configured": ("def pytest_configure():\n    raise RuntimeError", (), ExitCode.INTERNAL_ERROR),
    "refused": ("import pytest\n\ndef pytest_configure():\n    raise pytest.UsageError", (), ExitCode.USAGE_ERROR),
    "no run": ("import pytest\n\ndef pytest_cmdline_main():\n    raise pytest.UsageError", (), ExitCode.USAGE_ERROR),
    "ended": ("import pytest\n\ndef pytest_sessionstart():\n    pytest.exit('', 0)", (), ExitCode.OK),
    "started": ("def pytest_sessionstart():\n    raise RuntimeError", (), ExitCode.INTERNAL_ERROR),
    "not imported": ("import not_there", (), ExitCode.USAGE_ERROR),
    "no option": ("", ("--not-there",), ExitCode.USAGE_ERROR),
    "no option of ours": ("", ("--robustness-margn=3",), ExitCode.USAGE_ERROR),
    "no plugin": ("", ("-o", "required_plugins=not_there"), ExitCode.USAGE_ERROR),
    "no file": ("", ("not_there.py",), ExitCode.USAGE_ERROR),
    "a file that cannot be imported": ("", ("test_broken.py",), ExitCode.INTERRUPTED),
    "no items": (
        "import pytest\n\n@pytest.hookimpl(tryfirst=1)\ndef pytest_collection_modifyitems(items):\n    items.clear()",
        (),
        ExitCode.NO_TESTS_COLLECTED,
    ),
}


def broken(project, what):
    """Break the project, and return the words that are typed then, and pytest's exit code."""
    text, arguments, code = BROKEN[what]
    project.write("test_broken.py", "import not_there")
    project.write("conftest.py", text)
    return arguments, code


@pytest.mark.parametrize("what", BROKEN)
def test_a_run_that_ends_before_its_tests_are_known_leaves_no_verdict_of_an_earlier_one(judged, what):
    project, held = judged
    earlier = held()
    arguments, code = broken(project, what)
    assert project.judge(*arguments).ret == code
    assert_set_aside(held, earlier)


@pytest.mark.slow
def test_a_worker_that_cannot_import_a_file_leaves_none_either(judged):
    project, held = judged
    earlier = held()
    project.write("test_broken.py", "import not_there")
    assert project.run("-n1", "test_broken.py").ret == ExitCode.TESTS_FAILED
    assert_set_aside(held, earlier)


def test_the_report_that_is_typed_is_set_aside_where_pytest_refuses_the_rest(judged):
    project, held = judged
    earlier = held()
    project.judge("--robustness-report=elsewhere", "--not-there")
    assert held() == earlier
    project.write("arguments.txt", f"--robustness-report={project.path / 'reports/latest'}")
    project.judge("@arguments.txt", "--not-there")
    assert_set_aside(held, earlier)


@pytest.mark.parametrize("asked", ["--collect-only", "--help", "--robustness-plan", "--robustness-list"])
def test_a_broken_run_that_would_judge_nothing_leaves_the_report(judged, asked):
    project, held = judged
    earlier = held()
    project.write("conftest.py", "import not_there")
    project.judge(asked)
    assert held() == earlier


def test_a_plugin_that_has_another_process_run_the_tests_leaves_the_report(judged):
    project, held = judged
    earlier = held()
    project.write("conftest.py", "def pytest_cmdline_main():\n    return 2")
    assert project.judge_apart().ret == ExitCode.INTERRUPTED
    assert held() == earlier


@pytest.mark.parametrize("what", BROKEN)
def test_a_run_that_names_nothing_of_ours_leaves_the_report_however_it_ends(judged, what):
    project, held = judged
    earlier = held()
    arguments, code = broken(project, what)
    project.write("test_other.py", "def test_other():\n    pass")
    project.write("other.ini", "[pytest]")
    result = project.run("-c", "other.ini", "test_other.py", *(word for word in arguments if "robustness" not in word))
    assert result.ret == (ExitCode.OK if "of ours" in what else code)
    assert held() == earlier


def test_a_link_to_the_folder_of_a_report_stays_one(judged):
    project, held = judged
    folder = project.path / "reports/latest"
    dated = folder.rename(project.path / "reports/2026-11-30")
    folder.symlink_to(dated.name)
    earlier = held()
    project.judge("--robustness-margin=-1")
    assert folder.is_symlink()
    assert_set_aside(held, earlier)


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)])
def test_other_tests_leave_the_report(judged, workers):
    project, held = judged
    earlier = held()
    project.write("test_other.py", "def test_other():\n    pass\n")
    project.run("test_other.py", "--pyargs", "robustness_tests", "-k", "test_other", *workers).assert_outcomes(
        passed=1, deselected=0 if workers else 6
    )
    project.run("test_other.py", *workers).assert_outcomes(passed=1)
    assert held() == earlier


def test_tests_with_a_fixture_of_the_same_name_leave_the_report(judged):
    project, held = judged
    earlier = held()
    own = "import pytest\n\n@pytest.fixture\ndef robustness():\n    return 3\n\ndef test_own(robustness):\n    pass\n"
    project.write("test_other.py", own)
    assert project.run("test_other.py", "-k", "no_such_test").ret == ExitCode.NO_TESTS_COLLECTED
    assert held() == earlier


def test_the_action_removes_what_programs_read_before_it_judges(tmp_path):
    (script,) = re.findall(
        r"    - name: Judge\n.*?      run: \|\n(.*?)\n    - name", ACTION.read_text(encoding="utf-8"), re.S
    )
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 4\n", encoding="utf-8")
    python.chmod(0o755)
    folder = tmp_path / "my report"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text("PASS", encoding="utf-8")
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "OPTIONS": "",
        "REPORT": str(folder),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    subprocess.run(["bash", "-e", "-c", script], env=environment, check=True)
    assert {path.name for path in folder.iterdir()} == {"answers.npz", "images.csv"}
    assert (tmp_path / "output").read_text(encoding="utf-8") == "exit-code=4\n"
