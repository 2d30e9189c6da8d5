"""``--robustness-max-sensitive``: how many classes may be sensitive."""

from __future__ import annotations


def test_a_class_test_fails_above_it_and_passes_at_it(project):
    # Both of the two classes are sensitive; no fall is larger than the margin.
    project.configure(
        robustness_models="python:nets.py:slope", robustness_max_sensitive="2", robustness_class_margin="100"
    )
    arguments = ("-k", "classes and vflip")
    project.judge(*arguments).assert_outcomes(passed=1, deselected=3)
    for value, allowed in {"chance": 1, "1": 1, "0.5": 1, "0": 0}.items():
        project.judge(*arguments, f"--robustness-max-sensitive={value}").assert_outcomes(failed=1, deselected=3)
        assert project.results()["class_summary"][0]["allowed"] == allowed
    result = project.judge(*arguments, "--robustness-max-sensitive=0.99")
    assert "vflip: 2 of 2 classes sensitive at alpha 0.05, more than the 1 allowed" in " ".join(result.outlines)
    result.stdout.fnmatch_lines(["*(--robustness-max-sensitive)"])
