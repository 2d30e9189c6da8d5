"""``--robustness-correction``: how p-values are corrected for their number."""

from __future__ import annotations


def test_p_values_are_corrected_over_the_family(project):
    # McNemar's test of each of two classes: of the same twenty images lost, twice over.
    project.configure(robustness_models="python:nets.py:slope", robustness_correction="bh")
    arguments = ("--robustness-transforms=vflip", "-k", "classes")
    project.judge(*arguments, "--robustness-correction=none")
    plain = [test["p_adjusted"] for test in project.results()["class_tests"]]
    project.judge(*arguments)
    bh = [test["p_adjusted"] for test in project.results()["class_tests"]]
    project.judge(*arguments, "--robustness-correction=holm").assert_outcomes(failed=1, deselected=1)
    tests = project.results()["class_tests"]
    assert plain == [2 * 0.5**20] * 2
    assert bh == plain
    assert [test["p_adjusted"] for test in tests] == [2 * p for p in plain]
    assert [test["p_value"] for test in tests] == plain
