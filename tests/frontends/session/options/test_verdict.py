"""``--robustness-verdict``: whether the t-test, the images, or both decide."""

from __future__ import annotations

import pytest

# Turns nine images of one class round and three of the other: 30 points of 40 images, where t-tests see two classes.
SOME = """
def pytest_robustness_register(registry):
    @registry.transform("some", version=1)
    def some(images):
        images[:9] = images[:9].flip(-2)
        images[20:23] = images[20:23].flip(-2)
        return images
"""
ARGUMENTS = ("--robustness-transforms=some", "-k", "some-slope", "--rootdir=.", "--confcutdir=.")


@pytest.mark.parametrize(
    ("rule", "others", "outcome"),
    [
        # p = 0.18 over the classes; the images show a fall beyond 10 points.
        ("article", (), "passed"),
        ("strict", (), "failed"),
        ("margin", (), "failed"),
        # The t-test rejects, and the images show a fall within 60 points.
        ("article", ("--robustness-alpha=0.3", "--robustness-margin=60"), "failed"),
        ("strict", ("--robustness-alpha=0.3", "--robustness-margin=60"), "failed"),
        ("margin", ("--robustness-alpha=0.3", "--robustness-margin=60"), "passed"),
    ],
)
def test_the_rule_that_is_named_decides(project, rule, others, outcome):
    project.write("conftest.py", SOME)
    project.configure(robustness_verdict=rule)
    project.judge(*ARGUMENTS, *others).assert_outcomes(**{outcome: 1}, deselected=2)


def test_without_a_word_both_decide(project):
    project.write("conftest.py", SOME)
    project.judge(*ARGUMENTS).assert_outcomes(failed=1, deselected=2)
    assert project.results()["provenance"]["options"]["verdict"] == "strict"
