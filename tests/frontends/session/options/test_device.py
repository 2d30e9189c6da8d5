"""``--robustness-device``: where models and transforms run."""

from __future__ import annotations

import torch


def test_the_device_that_is_named_is_used(project):
    project.configure(robustness_device="cuda:99")
    result = project.judge("--robustness-device=cpu", "-k", "hflip")
    result.assert_outcomes(passed=3, deselected=3)
    assert project.results()["provenance"]["device"] == "cpu"


def test_a_device_that_this_machine_lacks_is_a_usage_error(project):
    count = torch.cuda.device_count()
    found = f"{count} CUDA devices here. Name one of them, or cpu." if count else "no CUDA device here. Name cpu."
    result = project.judge("--robustness-device=cuda:99")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            f"ERROR: --robustness-device=cuda:99: PyTorch finds {found}",
        ]
    )
