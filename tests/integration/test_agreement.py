"""Processes of one run that do not judge the same: a usage error that names what differs, and no report."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("xdist", reason="pytest-xdist is not installed")
pytestmark = pytest.mark.slow

# What a factory does that draws without a seed, but so that no two processes draw alike.
DATA = """
import os
import numpy as np
from pytest_robustness.core import ClassLabel
from pytest_robustness.data.in_memory import ArraySource

def make():
    rng = np.random.default_rng(7)
    images = rng.integers(0, 255, (40, 3, 8, 8), dtype=np.uint8)
    labels = np.repeat([0, 1], 20)
    order = {order}
    classes = [ClassLabel(name, name) for name in ("down", "up")]
    return ArraySource("drawn", classes, labels[order], images[order])
"""
WORKER = 'os.environ.get("PYTEST_XDIST_WORKER", "gw0")'
SHUFFLED = "np.random.default_rng(os.getpid()).permutation(40)"
CONFTEST = """
import os


def pytest_robustness_register(registry):
    @registry.transform("odd", version=int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[-1]) + 1)
    def odd(images):
        return images.flip(-1)
"""
MODEL = """
import os
import torch
from pytest_robustness import Model

def drawn():
    torch.manual_seed(os.getpid())
    return Model(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)), classes=["down", "up"])
"""
PAIR = r"gw\d has \S+ with the hash \w{12}, gw\d has \S+ with the hash \w{12}\."


def refusal(result: pytest.RunResult) -> str:
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str() + result.stderr.str()
    printed = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in printed
    found = re.search(r"The processes of this run differ in .*", printed)
    assert found is not None, printed
    return found[0]


def nothing_computed(project) -> bool:
    return project.forwards == 0 and not (project.path / "reports").exists()


def test_data_that_is_shuffled_without_a_seed_is_refused_before_anything_is_computed(project):
    project.write("data.py", DATA.format(order=SHUFFLED))
    project.configure(robustness_data="python:data.py:make", robustness_models="python:nets.py:slope")
    text = refusal(project.judge_apart("-n2"))
    assert re.match(rf"The processes of this run differ in the images: {PAIR} Data that is drawn at random", text)
    assert nothing_computed(project)
    assert not list((project.path / ".robustness").glob("*.locks/run-*"))


def test_data_that_every_process_opens_alike_is_judged(project):
    project.write("data.py", DATA.format(order="np.random.default_rng(3).permutation(40)"))
    project.configure(robustness_data="python:data.py:make", robustness_models="python:nets.py:slope")
    result = project.judge_apart("-n2")
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert (project.path / "reports/latest/accuracy.csv").exists()
    assert not list((project.path / ".robustness").glob("*.locks/run-*"))


def test_other_labels_of_the_same_images_are_refused(project):
    # The images stay in place, and one label is another in every second process.
    relabelled = f"    labels[0] = {WORKER} == 'gw1'\n    order"
    project.write("data.py", DATA.format(order="slice(None)").replace("    order", relabelled))
    project.configure(robustness_data="python:data.py:make", robustness_models="python:nets.py:slope")
    assert re.match(rf"The processes of this run differ in the labels: {PAIR}", refusal(project.judge_apart("-n2")))


def test_a_transform_that_differs_is_refused(project):
    project.write("conftest.py", CONFTEST)
    project.configure(robustness_transforms="odd", robustness_models="python:nets.py:slope")
    text = refusal(project.judge_apart("-n2"))
    assert re.match(r"The processes of this run differ in transform odd: gw\d has \w+, gw\d has \w+\. A tr", text)


def test_a_model_that_differs_is_refused_by_name_and_has_no_report(project):
    project.write("drawn.py", MODEL)
    project.configure(robustness_models="python:drawn.py:drawn")
    text = refusal(project.judge_apart("-n2"))
    assert re.match(r"The processes of this run differ in model python:drawn.py:drawn: gw\d has \w+, gw\d has ", text)
    assert not (project.path / "reports").exists()
