"""A gate that cannot judge fails, and a disk that is full or read-only keeps no other report from being written."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report.allure import npm

# One test, which passes: what fails the run is what cannot be judged or written.
PASSING = ("-k", "colour and hflip", "--robustness-verdict=article")
GATE = (*PASSING, "--robustness-allure-gate=minTestsCount=1", "--robustness-allure-report=allure")
HISTORY = Path(".robustness/allure-history.jsonl")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


@pytest.fixture
def node():
    try:
        npm.install(npm.find_node())
    except RobustnessError as error:
        pytest.skip(f"Allure cannot be installed here: {error}")


@pytest.fixture
def small(tmp_path_factory):
    """A disk of 64 KiB."""
    folder = tmp_path_factory.mktemp("small")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False) if os.name == "posix" else None
    if done is None or done.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no room in ``folder``."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


def printed(result: pytest.RunResult) -> str:
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    return text


def tables_and_page(project, folder: str = "reports/latest") -> bool:
    return len(project.table("tests.csv", folder)) == 1 and (project.path / folder / "index.html").exists()


def unjudged(project, result: pytest.RunResult, *patterns: str) -> None:
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.stdout.fnmatch_lines([*patterns, "Quality gate: it could not judge, and so it fails."])
    assert tables_and_page(project)


@pytest.mark.slow
def test_a_gate_that_can_judge_passes_or_fails_by_its_rules_and_each_run_is_in_the_history(project, node):
    assert project.judge(*GATE).ret == pytest.ExitCode.OK
    assert project.judge(*GATE).ret == pytest.ExitCode.OK
    broken = project.judge(*GATE, "--robustness-allure-gate=minTestsCount=2")
    assert broken.ret == pytest.ExitCode.TESTS_FAILED
    broken.stdout.fnmatch_lines(["Quality gate: *"])
    assert "could not judge" not in printed(broken)
    runs = [json.loads(line) for line in (project.path / HISTORY).read_text(encoding="utf-8").splitlines()]
    assert [len(run["testResults"]) for run in runs] == [1, 1, 1]


@pytest.mark.parametrize("line", [b"garbage", b"null", b"{}", b"[" * 10_000, b"\xff", b'{"uuid": "1", "testResults'])
def test_one_bad_line_in_the_history_fails_the_gate(project, line):
    path = project.path / HISTORY
    path.parent.mkdir()
    path.write_bytes(line + b"\n")
    pattern = "Allure report: not built. Allure's history * is damaged: line 1 is no run of Allure's (*). Remove *"
    unjudged(project, project.judge(*GATE), pattern)
    assert path.read_bytes() == line + b"\n"


@pytest.mark.parametrize("kind", ["folder", "pipe", "full", "under a file"])
def test_a_history_that_is_no_file_fails_the_gate_and_is_not_waited_for(project, kind):
    path = project.path / "history"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("the system has no named pipes")
        os.mkfifo(path)
    elif kind == "full":
        path = FULL
    else:
        path.touch()
        path /= "history.jsonl"
    result = project.judge(*GATE, f"--robustness-allure-history={path}")
    unjudged(project, result, "Allure report: not built. Allure's history *")


@pytest.mark.slow
def test_without_allure_pytest_the_gate_fails(project):
    result = project.judge_apart(*GATE, "-p", "no:allure_pytest")
    unjudged(project, result, "Allure report: not built. allure-pytest is switched off: leave out -p no:allure_pytest.")


@pytest.mark.slow
def test_where_allure_pytest_is_not_installed_its_options_are_refused(project):
    project.write("hidden.py", "import sys\nsys.modules['allure'] = None\n")
    result = project.judge_apart(*GATE, "-p", "hidden", "-p", "no:allure_pytest")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--robustness-allure-report needs allure-pytest: pip install allure-pytest." in printed(result)


def test_a_gate_without_any_test_fails_and_one_that_is_configured_waits(project):
    project.write("test_other.py", "def test_other():\n    pass\n")
    result = project.run("test_other.py", *GATE[3:])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["Quality gate: it could not judge, and so it fails."])
    project.configure(robustness_allure_gate="minTestsCount=1", robustness_allure_report="allure")
    assert project.run("test_other.py").ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        *((said, "has not said") for said in ("", "\n", "nonsense\n", "null\n", "[1]\n", "[]\n", '{"gate": []}\n')),
        ('{"read": 1, "gate": []}\n', "has not judged minTestsCount."),
        ('{"read": 1, "gate": [{"rule": "other", "success": true, "message": ""}]}\n', "has not judged minTestsCount."),
        (
            '{"read": 0, "gate": [{"rule": "minTestsCount", "success": true, "message": ""}]}\n',
            "has read 0 of 1 result.",
        ),
    ],
)
def test_an_answer_of_allures_that_is_no_verdict_fails_the_gate(project, monkeypatch, said, complaint):
    monkeypatch.setattr(npm, "find_node", lambda: None)
    monkeypatch.setattr(npm, "install", lambda programs: project.path)
    monkeypatch.setattr(npm, "run", lambda *_: said)
    unjudged(project, project.judge(*GATE), f"Allure report: not built. Allure {complaint}*")


@pytest.mark.slow
def test_a_gate_judges_the_results_wherever_they_are(project, node):
    of_all = ("-k", "vflip", "--alluredir=mine", "--robustness-allure-report=allure")
    failed = project.judge(*of_all, "--robustness-allure-gate=maxFailures=0,minTestsCount=4")
    said = sorted(line for line in failed.outlines if line.startswith("Quality gate: "))
    assert [line[: line.index(" tests ")] for line in said] == [
        "Quality gate: The number of failed",
        "Quality gate: The total number of",
    ]
    assert not any("held before this run" in line for line in failed.outlines)
    # Those of the run before count, as Allure has it, and that is said.
    again = project.judge(*of_all, "-k", "hflip", "--robustness-allure-gate=minTestsCount=4")
    again.stdout.fnmatch_lines(["It has 3 results that mine held before this run, and so has its gate: --clean-*"])
    assert again.ret == pytest.ExitCode.OK


def test_results_on_a_full_disk_fail_the_run_and_leave_the_other_reports(project, small):
    fill(small)
    result = project.judge(*PASSING, f"--alluredir={small}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines(
        [f"Allure results: not whole. The results cannot be written to {small}: No space left on device. Make room, *"]
    )
    assert tables_and_page(project)


def test_results_that_are_not_whole_fail_the_gate(project, small):
    fill(small)
    result = project.judge(*GATE, f"--alluredir={small}")
    unjudged(project, result, "Allure report: not built. The results cannot be written to *")


def test_a_folder_for_results_that_cannot_be_created_fails_the_run_at_its_end(project):
    (project.path / "blocked").touch()
    result = project.judge(*PASSING, "--alluredir=blocked/results")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines(["Allure results: not whole. The results cannot be written to blocked/results: *"])
    assert tables_and_page(project)


@pytest.mark.slow
def test_what_a_worker_cannot_write_fails_the_run(project, small):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (small / "results").mkdir()
    fill(small)
    result = project.judge_apart(*PASSING, "-n1", f"--alluredir={small / 'results'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.stdout.fnmatch_lines(["Allure results: not whole. The results cannot be written to *"])
    assert tables_and_page(project)


@needs_full
def test_junit_xml_on_a_full_disk_fails_the_run_and_leaves_the_other_reports(project):
    result = project.judge(*PASSING, f"--junitxml={FULL}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.stdout.fnmatch_lines(["/dev/full cannot be written: No space left on device. Make room, or name another."])
    assert tables_and_page(project)


@needs_full
def test_a_step_summary_on_a_full_disk_fails_the_run_and_leaves_the_other_reports(project, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(FULL))
    result = project.judge(*PASSING)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.stdout.fnmatch_lines(["The summary cannot be appended to /dev/full: No space left on device. *"])
    assert tables_and_page(project)


def test_a_report_on_a_full_disk_fails_the_run_with_a_sentence(project, small):
    fill(small)
    result = project.judge(*PASSING, f"--robustness-report={small / 'report'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    printed(result)
    result.stdout.fnmatch_lines([f"The report cannot be written to {small / 'report'}: No space left on device. *"])
