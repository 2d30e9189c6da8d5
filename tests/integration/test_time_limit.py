"""A time limit that another plugin sets a test stops that test, and is no model's fault; the next test goes on."""

from __future__ import annotations

import signal

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer of signals here")

# As pytest-timeout with the method "signal" does it, around the fixtures of a test and its call.
CONFTEST = """
import os
import signal
import time

import pytest
import torch


def late(number, frame):
    {fault}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 2 if "first" in item.name else 0)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pytest_robustness_register(registry):
    @registry.transform("slow", version=1)
    def slow(images):
        if len(images) <= 3:  # it is called again on a few, to see that it changes each by itself
            return images.flip(-2)
        with open("batches.txt", "a") as file:
            print(len(images), file=file)
        if os.path.getsize("batches.txt") == 6:  # the second batch, once
            time.sleep(30)
        return images.flip(-2)
"""
TESTS = """
import pytest

pytestmark = pytest.mark.robustness(models=["python:nets.py:slope", "python:nets.py:colour"], transforms=["slow"])


def test_first(robustness):
    robustness.model_test("python:nets.py:colour", "slow")


def test_second(robustness, cell):
    assert robustness.model_test(cell).accuracy.control == 100
"""


@pytest.mark.parametrize("fault", ["pytest.fail('Timeout')", "raise TimeoutError('Timeout')"])
def test_it_fails_the_running_test_and_the_next_ones_compute_the_rest_alone(project, fault):
    project.write("conftest.py", CONFTEST.replace("{fault}", fault))
    project.write("test_mine.py", TESTS)
    result = project.run("test_mine.py", "--robustness-batch-size=10")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["FAILED test_mine.py::test_first - *Timeout"])
    assert "tried to end the process" not in result.stdout.str()
    assert project.results()["errors"] == []
    # The batch that was stopped is computed again; the first, which was finished, is not.
    assert [line for line in result.outlines if "sweep of" in line] == [
        "robustness: sweep of 40 images, 4 cells",
        "robustness: sweep of 30 images, 4 cells",
    ]
    assert set(project.stored().values()) == {40}
