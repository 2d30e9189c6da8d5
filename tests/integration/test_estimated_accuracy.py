"""``--robustness-unlabelled``: the same estimate by one process, from the store alone, and by several."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pytest import ExitCode  # noqa: PT013

pytestmark = pytest.mark.slow
ASKED = ("-k", "estimated_accuracy", "--robustness-unlabelled=folder:new")


@pytest.fixture
def unsure(project):
    """The tiny project with a model that errs, and sixty images without labels or class folders."""
    project.configure(robustness_models=f"python:nets.py:slope {project.add_mixed('mixed', 2.0)}")
    (project.path / "new").mkdir()
    rng = np.random.default_rng(1)
    for number in range(60):
        pixels = rng.integers(0, 100, (8, 8, 3), dtype=np.uint8)
        pixels[:4] += rng.integers(0, 40, dtype=np.uint8)
        pixels[4:] += rng.integers(0, 40, dtype=np.uint8)
        Image.fromarray(pixels).save(project.path / f"new/{number}.png")
    return project


def test_one_process_the_store_and_several_processes_find_the_same(unsure):
    first = unsure.judge(*ASKED)
    assert first.ret in (ExitCode.OK, ExitCode.TESTS_FAILED), first.stdout.str()
    found = unsure.results()["studies"]["estimated_accuracy"]
    assert [row["models"] for row in found] == [["python:nets.py:slope"], ["python:nets.py:mixed"]]
    assert {row["images"] for row in found} == {60}
    assert {row["conditions"] for row in found} == {34}
    report = unsure.path / "reports/latest"
    assert "Estimated accuracy" in (report / "index.html").read_text(encoding="utf-8")
    assert len((report / "studies/estimated_accuracy-conditions.csv").read_text().splitlines()) == 2 * 34 + 1
    stored = unsure.stored()
    assert stored["slope", "control", None] == 40 + 60
    assert {answers for key, answers in stored.items() if key[1] != "control"} == {40}
    for judge, arguments in ((unsure.judge, ()), (unsure.judge_apart, ("-n", "2"))):
        judge(*ASKED, *arguments)
        assert unsure.results()["studies"]["estimated_accuracy"] == found
        assert unsure.stored() == stored


def test_without_images_the_test_is_skipped_and_says_which_option_names_them(unsure):
    result = unsure.judge(*ASKED[:2], "-rs")
    result.assert_outcomes(skipped=2, deselected=result.parseoutcomes().get("deselected", 0))
    assert "name them with --robustness-unlabelled=SPEC" in " ".join(result.stdout.str().split())


def test_a_spec_that_is_no_data_is_refused_before_any_test(unsure):
    result = unsure.judge("--robustness-unlabelled=nothing:here")
    assert result.ret == ExitCode.USAGE_ERROR
    assert "nothing" in result.stderr.str()
