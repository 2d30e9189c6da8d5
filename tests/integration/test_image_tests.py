"""A finding of ``image_test`` counts in the report of its run as any other does."""

from __future__ import annotations

import pytest

OWN = """
    from pytest_robustness import assert_robust

    def test_images(robustness):
        assert_robust(robustness.image_test("python:nets.py:{model}", "vflip"))
    """
ALONE = ["test_own.py", "--robustness-transforms=vflip"]
BESIDE = [*ALONE, "--pyargs", "robustness_tests", "--robustness-models=python:nets.py:colour"]


@pytest.mark.parametrize(
    ("model", "arguments", "outcome", "counts"),
    [
        ("slope", ALONE, "FAIL", "1 failed of 1 test"),
        ("slope", BESIDE, "FAIL", "1 failed of 1 test"),
        ("colour", [*ALONE, "--robustness-margin=40"], "PASS", "1 passed of 1 test"),
        ("slope", [*ALONE, "-n", "1"], "FAIL", "1 failed of 1 test"),
    ],
    ids=["alone", "beside", "passes", "worker"],
)
def test_an_image_test_sets_the_headline_and_is_in_the_tables(project, model, arguments, outcome, counts):
    project.write("test_own.py", OWN.format(model=model))
    result = project.run(*arguments)
    text = (project.path / "reports/latest/summary.md").read_text(encoding="utf-8")
    assert text.startswith(f"## Robustness: {outcome}")
    assert f"Image tests: {counts}." in text
    assert "Nothing could be tested" not in text
    (row,) = project.results()["image_tests"]
    assert (row["model"], row["transform"], row["outcome"]) == (f"python:nets.py:{model}", "vflip", outcome)
    tables = (project.path / "reports/latest/tests.csv").read_text(encoding="utf-8")
    assert f"image,python:nets.py:{model},vflip" in tables
    assert ("image test: " in result.stdout.str()) == (outcome == "FAIL")
