"""``--robustness-trust-pickle``: weights that can run code are read only where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision

ARGUMENTS = ("--robustness-models=squeezenet1_1", "-k", "models and hflip", "--robustness-weights-dir=typed")


class Mark:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran.txt"),)


@pytest.fixture
def spoiled(project, monkeypatch):
    """The tiny project, with published weights whose file would run code."""
    weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    # A name without a hash in it, which no file created here could match.
    monkeypatch.setattr(weights.value, "url", "https://example.org/squeezenet.pth")
    (project.path / "typed").mkdir()
    state = torchvision.models.squeezenet1_1().state_dict()
    torch.save({"state_dict": state, "mark": Mark()}, project.path / "typed" / "squeezenet.pth")
    return project


def test_a_pickle_that_would_run_code_is_refused_with_a_way_out(spoiled):
    result = spoiled.judge(*ARGUMENTS)
    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            (
                f"{spoiled.path}/typed/squeezenet.pth holds more than weights: reading it would run the code of *. "
                "Pass --robustness-trust-pickle only if you trust the file's origin, or save it again as .safetensors."
            )
        ]
    )
    assert not (spoiled.path / "ran.txt").exists()


@pytest.mark.parametrize("how", ["typed", "configured"])
def test_it_is_read_where_that_is_asked_for(spoiled, how):
    if how == "configured":
        spoiled.configure(robustness_trust_pickle="true")
    result = spoiled.judge(*ARGUMENTS, *(["--robustness-trust-pickle"] if how == "typed" else []))
    assert (spoiled.path / "ran.txt").exists()
    # The weights are read; a model of ImageNet's classes cannot be judged on these.
    result.stdout.fnmatch_lines(["2 of 2 classes of the data have no output of squeezenet1_1 to themselves: *"])
