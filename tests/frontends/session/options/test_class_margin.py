"""``--robustness-class-margin``: the change beyond which a class fails its test."""

from __future__ import annotations

import pytest

# One class loses 9 of its 20 images, 45 points, and the other none: one sensitive class, which chance allows.
SOME = """
def pytest_robustness_register(registry):
    @registry.transform("some", version=1)
    def some(images):
        images[:9] = images[:9].flip(-2)
        return images
"""


@pytest.mark.parametrize(("margin", "outcome"), [("44", "failed"), ("46", "passed")])
def test_a_class_fails_beyond_it_and_is_named(project, margin, outcome):
    project.write("conftest.py", SOME)
    project.configure(robustness_models="python:nets.py:slope", robustness_class_margin=margin)
    arguments = ("--robustness-transforms=some", "-k", "classes", "--rootdir=.", "--confcutdir=.")
    project.judge(*arguments).assert_outcomes(**{outcome: 1}, deselected=1)
    reason = project.results()["class_summary"][0]["reason"]
    named = "1 class changed significantly and by more than 44 measured points: down -45.0; "
    assert reason.startswith(named if outcome == "failed" else "no class shown to change by more than 46 points")
