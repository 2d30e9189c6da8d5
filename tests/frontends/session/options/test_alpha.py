"""``--robustness-alpha``: the significance level of every test."""

from __future__ import annotations

NEAR = """
def pytest_robustness_register(registry):
    @registry.transform("near", version=1)
    def near(images):
        # Turns five of the first twenty images round, and six of the others: p is about 0.01.
        images[:5] = images[:5].flip(-2)
        images[20:26] = images[20:26].flip(-2)
        return images
"""


def test_a_p_value_is_judged_against_it(project):
    project.write("conftest.py", NEAR)
    project.configure(robustness_alpha="0.2", robustness_verdict="article")
    arguments = ("--robustness-transforms=near", "-k", "near-slope", "--rootdir=.", "--confcutdir=.")
    project.judge(*arguments).assert_outcomes(failed=1, deselected=2)
    p = project.results()["model_tests"][0]["p_value"]
    assert 1e-4 < p < 0.05
    result = project.judge(*arguments, f"--robustness-alpha={p / 2}")
    result.assert_outcomes(passed=1, deselected=2)


def test_a_level_that_is_none_is_a_usage_error(project):
    result = project.judge("--robustness-alpha=5%")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: --robustness-alpha: '5%' is not valid. Valid: a number above 0 and below 1, such as 0.05."]
    )
