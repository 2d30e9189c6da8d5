"""What GitHub shows: the summary is appended to the page of the run, failures are annotated, nothing breaks out."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report.github import append_summary, error_commands

ON_GITHUB = {"GITHUB_ACTIONS": "true"}


def compared(findings, condition=CONTROL, outcome="FAIL", reason="accuracy fell 5.0 points", **fields):
    """Return the comparison of a model that lost 5 points."""
    names = {"model": "digits:resnet18", "counterpart": "digits:vgg16", "result": findings.on_images()}
    return findings.compared(condition, verdict=Verdict(Outcome(outcome), reason), **names, **fields)


def parsed(line):
    """Read a workflow command as GitHub's runner does: properties up to ``::``, then the message, both decoded."""
    title, message = re.fullmatch(r"::error title=([^:,\r\n]*)::([^\r\n]*)", line).groups()
    return unquote(title), unquote(message)


def test_each_comparison_that_failed_is_annotated(findings):
    fallen = (ClassFinding(6, "six", findings.on_images()),)
    against = "digits:resnet18 against digits:vgg16"
    tests = (
        compared(findings, fallen=fallen),
        compared(findings, Condition("zoom", 3)),
        compared(findings, Condition("vflip"), "PASS"),
    )
    lines = error_commands(findings.view(gate_tests=tests, errors={}), ON_GITHUB)
    assert [parsed(line) for line in lines] == [
        (
            "resnet18 is less robust than the baseline under control",
            f"-5.00 points: {against} under control: accuracy fell 5.0 points\nClasses that fell most: six -5.0",
        ),
        (
            "resnet18 is less robust than the baseline under zoom (severity 3)",
            f"-5.00 points: {against} under zoom (severity 3): accuracy fell 5.0 points",
        ),
    ]


def test_a_failure_for_want_of_images_does_not_claim_a_fall(findings):
    tests = (compared(findings, reason="inconclusive: 20 images are too few", undecided=True),)
    line = error_commands(findings.view(gate_tests=tests, errors={}), ON_GITHUB)[0]
    assert parsed(line)[0] == "resnet18: too few images to decide under control"


def test_an_error_is_annotated_once_for_each_model(findings):
    errors = {
        Cell(model, Condition(name)): "no weights" for model in ("digits:vgg16", "digits:resnet18") for name in "ab"
    }
    found = [parsed(line) for line in error_commands(findings.view(errors=errors), ON_GITHUB)]
    assert found == [("vgg16 could not be judged", "no weights"), ("resnet18 could not be judged", "no weights")]


@pytest.mark.parametrize("text", ["a::b,c", "100 % of\r\nall\nimages", "%0A::error::x", "a, title=b"])
def test_what_a_line_holds_comes_back_whole_and_starts_no_command_of_its_own(findings, text):
    view = findings.view(errors={Cell("x", CONTROL): text}, models=("x",), labels={"x": text}, model_tests=())
    lines = error_commands(view, ON_GITHUB)
    assert len(lines) == 1
    assert parsed(lines[0]) == (f"{text} could not be judged", text)


@pytest.mark.parametrize(("failures", "lines"), [(0, 0), (9, 9), (10, 10), (11, 10), (40, 10)])
def test_there_are_ten_annotations_at_most_and_the_last_counts_the_rest(findings, failures, lines):
    tests = tuple(compared(findings, Condition(f"t{i}")) for i in range(failures))
    found = [parsed(line) for line in error_commands(findings.view(gate_tests=tests, errors={}), ON_GITHUB)]
    assert len(found) == lines
    if failures > 10:
        assert found[-1] == ("More robustness failures", f"{failures - 9} more: see the summary of the run.")


@pytest.mark.parametrize("environment", [{}, {"GITHUB_ACTIONS": "false"}, {"CI": "true"}])
def test_nothing_is_annotated_elsewhere(findings, environment):
    assert error_commands(findings.view(gate_tests=(compared(findings),)), environment) == []


def test_the_summary_is_appended_to_what_other_steps_wrote(tmp_path):
    path = tmp_path / "step.md"
    path.write_text("# Build\n", encoding="utf-8")
    append_summary("## Robustness: PASS −1\n", {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.read_text(encoding="utf-8") == "# Build\n## Robustness: PASS −1\n\n"


def test_without_the_variable_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    append_summary("text", {})
    append_summary("text", {"GITHUB_STEP_SUMMARY": ""})
    assert list(tmp_path.iterdir()) == []


def test_a_summary_that_cannot_be_written_is_told_by_its_path(tmp_path):
    with pytest.raises(RobustnessError) as raised:
        append_summary("text", {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert str(raised.value) == (
        f"The summary cannot be appended to {tmp_path}: Is a directory. The variable GITHUB_STEP_SUMMARY names that "
        "file; unset it, or make the file writable."
    )


@pytest.mark.parametrize(
    ("model", "baseline", "place"),
    [
        ("python:nets/own.py:make", None, ",file=nets/own.py,line=3"),
        ("python:nets/own.py:Made", None, ",file=nets/own.py,line=7"),
        ("python:nets/own.py:made", None, ",file=nets/own.py,line=9"),
        ("python:nets/own.py:other", None, ",file=nets/own.py"),
        ("onnx:net.onnx", "base.json", ",file=net.onnx"),
        ("resnet18", "base.json", ",file=base.json"),
        ("resnet18", "../base.json", ""),
        ("python:package.module:make", None, ""),
        ("python:gone.py:make", "gone.json", ""),
    ],
)
def test_an_annotation_is_shown_at_the_model_or_else_at_the_baseline(
    findings, tmp_path, monkeypatch, model, baseline, place
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/own.py").write_text("import x\n\ndef make():\n    pass\n\n\nclass Made:\n    pass\nmade = Made\n")
    (tmp_path / "net.onnx").touch()
    (tmp_path / "base.json").touch()
    options = {"options": {"baseline": baseline}}
    view = findings.view(errors={Cell(model, CONTROL): "it broke"}, labels={model: "m"}, provenance=options)
    assert error_commands(view, ON_GITHUB) == [f"::error title=m could not be judged{place}::it broke"]
