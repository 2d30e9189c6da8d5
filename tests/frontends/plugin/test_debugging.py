"""Whoever looks for a fault sees the frames of the code that raised, their own model's among them."""

from __future__ import annotations

import pytest

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import ErrorText, cause, trace
from pytest_robustness.inference.run_log import RunLog

BROKEN = """
import torch
from pytest_robustness import Model


class Broken(torch.nn.Module):
    def forward(self, images):
        if len(images) <= 4:  # the first answers that it is asked for, before the sweep
            return torch.zeros(len(images), 2)
        return self.inner(images)

    def inner(self, images):
        raise ArithmeticError("cannot go on")


def broken():
    return Model(Broken(), classes=["down", "up"])


def unloadable():
    return {}["no such weights"]
"""
ONE_TEST = ("-k", "hflip and models", "--robustness-transforms=hflip")


@pytest.fixture
def faulty(project):
    project.write("faulty.py", BROKEN)
    project.configure(robustness_models="python:faulty.py:broken")
    return project


def test_an_error_is_its_text_alone_unless_tracebacks_are_asked_for(faulty):
    text = faulty.judge(*ONE_TEST).stdout.str()
    assert "failed during the sweep: ArithmeticError: cannot go on" in text
    assert "def inner" not in text
    assert "in inner" not in text
    assert "original traceback" not in text


@pytest.mark.parametrize("option", ["--tb=long", "--tb=native", "--full-trace"])
def test_the_frames_of_a_model_that_raises_in_the_sweep_are_shown_on_demand(faulty, option):
    result = faulty.judge(*ONE_TEST, option)
    result.assert_outcomes(errors=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "*ModelError: python:faulty.py:broken failed during the sweep: ArithmeticError: cannot go on (*:13)",
            "*- original traceback -*",
            '*faulty.py", line 10, in forward',
            "*return self.inner(images)",
            '*faulty.py", line 13, in inner',
            "ArithmeticError: cannot go on",
            "*- robustness -*",
            "report: *",
        ]
    )


def test_the_frames_of_a_factory_that_raises_are_shown_on_demand(faulty):
    result = faulty.judge(*ONE_TEST, "--robustness-models=python:faulty.py:unloadable", "--tb=long")
    result.stdout.fnmatch_lines(['*faulty.py", line *, in unloadable', "KeyError: 'no such weights'*"])


def test_the_frames_of_a_model_that_raises_are_logged(faulty):
    result = faulty.judge(*ONE_TEST, "--log-level=DEBUG")
    result.stdout.fnmatch_lines(
        [
            "*- Captured log setup -*",
            "DEBUG *python:faulty.py:broken failed during the sweep",
            '*faulty.py", line 13, in inner',
            "ArithmeticError: cannot go on",
        ]
    )


def test_a_finding_shows_the_line_of_the_test_on_demand(project):
    arguments = ("-k", "vflip-slope", "--robustness-transforms=vflip")
    assert "def test_model_is_robust" not in project.judge(*arguments).stdout.str()
    result = project.judge(*arguments, "--tb=long")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["*def test_model_is_robust(*", "*assert_robust(*", "E *NotRobust: -100.0 points *"])


def test_the_text_of_an_error_travels_to_another_process_as_a_plain_string():
    def fail():
        raise ArithmeticError("cannot go on")

    with pytest.raises(ArithmeticError) as caught:
        fail()
    error = caught.value
    text = ErrorText(f"net failed: {cause(error)}", error)
    assert text.startswith("net failed: ArithmeticError: cannot go on (")
    assert text.trace == trace(error)
    assert text.trace.startswith("Traceback (most recent call last):\n")
    assert text.trace.endswith("ArithmeticError: cannot go on")
    execnet = pytest.importorskip("execnet", reason="pytest-xdist is not installed")
    packed = RunLog(errors={Cell("net", CONTROL): text}).pack()
    received = RunLog.unpack(execnet.loads(execnet.dumps(packed)))
    assert received.errors == {Cell("net", CONTROL): str(text)}
