"""The value of an option that stands among the paths is refused, with the option that takes it."""

from __future__ import annotations

import pytest
from pytest import ExitCode  # noqa: PT013


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("python:nets.py:slope", "--robustness-models={0} or --robustness-data={0}"),
        ("onnx:net.onnx", "--robustness-models={0}"),
        ("timm:resnet50.a1_in1k", "--robustness-models={0}"),
        ("resnet18", "--robustness-models={0}"),
        ("digits12", "--robustness-models={0}"),
        ("digits:resnet18", "--robustness-models={0}"),
        ("folder:photos", "--robustness-data={0}"),
        ("digits", "--robustness-data={0}"),
        ("vflip", "-k {0} or --robustness-transforms={0}"),
        ("test_mine.py", ""),
        ("python::test_it", ""),
        ("nets.py:slope", ""),
        ("folder:", ""),
    ],
)
def test_the_option_is_named(project, typed, meant):
    result = project.judge(typed)
    assert result.ret == ExitCode.USAGE_ERROR
    text = f"ERROR: {typed!r} is no test and no folder with tests. Did you mean {meant.format(typed)}?"
    assert (text in result.errlines) == bool(meant)


def test_an_option_and_its_value_in_one_line_of_a_file_are_named_as_they_are_to_be_written(project):
    project.write("options.txt", "--robustness-margin 6")
    result = project.judge("@options.txt")
    assert result.ret == ExitCode.USAGE_ERROR
    text = "ERROR: '--robustness-margin 6' is no test and no folder with tests. Did you mean --robustness-margin=6?"
    assert text in result.errlines


def test_a_folder_of_that_name_is_one(project):
    (project.path / "vflip").mkdir()
    project.write("vflip/test_mine.py", "def test_mine(): pass")
    assert project.run("vflip").ret == ExitCode.OK
    assert project.run("vflip/test_mine.py::test_mine").ret == ExitCode.OK


def test_a_path_too_long_for_any_file_is_pytests_to_refuse(project):
    result = project.run("a" * 300)
    assert result.ret == ExitCode.USAGE_ERROR
    assert result.errlines[0].startswith("ERROR: file or directory not found: aaa")
