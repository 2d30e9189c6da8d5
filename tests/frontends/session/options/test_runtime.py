"""``--robustness-runtime``: what runs the models."""

from __future__ import annotations

import pytest


def test_the_one_that_is_named_runs_the_models_and_is_reported(project):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    project.configure(robustness_runtime="openvino")
    result = project.judge("-k", "vflip-slope")
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(["Models ran on cpu with openvino fp32."])
    cells = project.results()["cells"]
    assert [cell["engines"] for cell in cells] == [[{"runtime": "openvino", "precision": "fp32", "layout": ""}]] * 2


def test_auto_compiles_nothing_for_a_few_small_images(project):
    project.judge("-k", "vflip-slope").stdout.fnmatch_lines(["Models ran on cpu with eager fp32."])


def test_one_that_cannot_compute_in_the_precision_is_a_usage_error(project):
    result = project.judge("--robustness-runtime=onnxruntime", "--robustness-precision=bf16")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "*: onnxruntime runs models in fp32 here, not in bf16: choose openvino, compile or eager.",
        ]
    )
