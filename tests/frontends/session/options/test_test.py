"""``--robustness-test``: which t-test compares the groups."""

from __future__ import annotations

import pytest
from scipy import stats

SOME = """
def pytest_robustness_register(registry):
    @registry.transform("some", version=1)
    def some(images):
        images[:9] = images[:9].flip(-2)
        images[20:23] = images[20:23].flip(-2)
        return images
"""
GROUPS = ([55.0, 85.0], [100.0, 100.0])


# scipy says so of every group without spread, such as the two classes that are all right in control.
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
def test_the_test_that_is_named_is_done(project):
    project.write("conftest.py", SOME)
    project.configure(robustness_test="paired")
    arguments = ("--robustness-transforms=some", "-k", "some-slope", "--rootdir=.", "--confcutdir=.")
    found = {}
    for name in ("independent", "welch"):
        project.judge(*arguments, f"--robustness-test={name}")
        found[name] = project.results()["model_tests"][0]
    project.judge(*arguments)
    found["paired"] = project.results()["model_tests"][0]
    assert {name: test["test"] for name, test in found.items()} == {name: name for name in found}
    assert {name: test["p_value"] for name, test in found.items()} == {
        "independent": pytest.approx(stats.ttest_ind(*GROUPS).pvalue),
        "welch": pytest.approx(stats.ttest_ind(*GROUPS, equal_var=False).pvalue),
        "paired": pytest.approx(stats.ttest_rel(*GROUPS).pvalue),
    }
