"""``--robustness-class-tolerance``: the drop of a class below the baseline that is accepted."""

from __future__ import annotations

import pytest

# `slope` loses 9 of the 20 images of one class, 45 points, and `colour` none.
SOME = """
def pytest_robustness_register(registry):
    @registry.transform("some", version=1)
    def some(images):
        images[:9] = images[:9].flip(-2)
        return images
"""
ARGUMENTS = ("--robustness-transforms=some", "--rootdir=.", "--confcutdir=.")


@pytest.mark.parametrize(("tolerance", "outcome"), [("44", "failed"), ("46", "passed")])
def test_a_class_beyond_it_fails_the_comparison_and_is_named(project, tolerance, outcome):
    project.write("conftest.py", SOME)
    project.configure(robustness_models="python:nets.py:colour", robustness_class_tolerance=tolerance)
    project.judge(*ARGUMENTS, "--robustness-update-baseline")
    # Over all images the drop is 22.5 points, which this tolerance excludes.
    compare = ("--robustness-baseline=robustness-baseline.json", "--robustness-tolerance=50")
    result = project.judge(*ARGUMENTS, *compare, "--robustness-candidate=python:nets.py:slope", "-k", "some")
    result.assert_outcomes(**{outcome: 1}, deselected=1)
    (row,) = project.results()["gate"]
    named = "1 class fell significantly and by more than 44 measured points: down -45.0; over all classes -22.50 points"
    assert row["reason"].startswith(named if outcome == "failed" else "a drop of more than 50 points is excluded")
