"""What a project has NumPy do about floating-point errors is its own affair: no figure and no report depends on it."""

from __future__ import annotations

import inspect
import shutil

import numpy as np
import pytest

import pytest_robustness
from pytest_robustness.frontends.api.plots import Plots

CONFTEST = """
import numpy as np

def pytest_robustness_register(registry):
    @registry.transform("dim")
    def dim(images):
        assert np.geterr()["under"] == "ignore"
        return images // 2

SETTINGS
"""
MINE = """
import numpy as np
import pytest
from pytest_robustness import assert_robust

def test_cell(robustness, cell):
    assert_robust(robustness.model_test(cell))

def test_condition(robustness, condition):
    robustness.class_test(condition)
    robustness.detectable(condition)

def test_studies(robustness):
    robustness.turned_images()
    robustness.augmentation()
    robustness.image_test("python:nets.py:slope", "vflip")
    # That of the project.
    assert np.geterr()["under"] == WANTED
"""
# Sure of every answer: probabilities and their products underflow.
SURE = """

class Sure(torch.nn.Module):
    def forward(self, images):
        return 60 * Slope()(images)


def sure():
    return Model(Sure(), classes=["down", "up"])
"""


@pytest.mark.parametrize("filled", [False, True], ids=["fresh", "filled"])
def test_a_run_is_the_same_whatever_numpy_is_to_do_about_errors(project, filled):
    nets = project.path / "nets.py"
    nets.write_text(nets.read_text(encoding="utf-8") + SURE, encoding="utf-8")
    found = {}
    for settings, under in (("", "ignore"), ("np.seterr(all='raise')", "raise")):
        project.write("conftest.py", CONFTEST.replace("SETTINGS", settings))
        project.write("test_mine.py", MINE.replace("WANTED", repr(under)))
        if not filled:
            shutil.rmtree(project.path / ".robustness", ignore_errors=True)
        with np.errstate():
            result = project.run(
                "test_mine.py",
                "--robustness-models=python:nets.py:slope python:nets.py:sure",
                "--robustness-transforms=vflip hflip dim",
            )
        results = project.results()
        found[under] = {name: results[name] for name in ("outcome", "model_tests", "class_tests", "errors", "studies")}
        result.assert_outcomes(passed=8, failed=2)
    assert found["ignore"] == found["raise"]
    assert found["raise"]["errors"] == []


def test_evaluations_and_their_tables_are_the_same(folder):
    wanted = {"models": "python:nets.py:slope", "data": "folder:photos", "transforms": "vflip", "progress": False}
    frames = []
    for setting in ("ignore", "raise"):
        with np.errstate(all=setting):
            found = pytest_robustness.evaluate(**wanted, workers=0, store=f"{setting}.sqlite")
            found.report(f"reports/{setting}")
            frames.append([found.to_frame(kind).to_csv() for kind in ("models", "classes", "images", "tests")])
            assert repr(found)
            assert found._repr_html_()
            assert np.geterr()["under"] == setting
            found.close()
    assert frames[0] == frames[1]


# What hands out what is known computes nothing.
PLAIN = {"note", "close"}


@pytest.mark.parametrize("owner", [pytest_robustness.RobustnessSession, Plots], ids=["session", "plots"])
def test_whatever_a_session_or_a_chart_computes_is_computed_by_the_defaults(owner):
    # A study is asked by `study`, whatever method it has of its own.
    from pytest_robustness.frontends.session.studies import Studies

    methods = dict(inspect.getmembers(owner, inspect.isfunction))
    named = {name for name in methods if not name.startswith("_")} - PLAIN - vars(Studies).keys()
    assert {name for name in named if not hasattr(methods[name], "__wrapped__")} == set()
