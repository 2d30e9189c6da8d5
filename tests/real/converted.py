"""A model that OpenVINO runs: of a network of depthwise convolutions it takes a third of PyTorch's time on a CPU."""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from pytest_robustness.core import Model, Workload
from pytest_robustness.inference.runtimes.openvino_cpu import OpenVinoRuntime

if TYPE_CHECKING:
    from pytest_robustness.core import Runner

_BATCH: Final = 16


class Converted(nn.Module):
    """Answers as ``module`` does, but for rounding; without OpenVINO, ``module`` answers itself.

    Parameters
    ----------
    module
        Takes float [N, C, H, W] on the CPU; its outputs are float [N, K].
    precision
        ``fp32``, or ``bf16``, which takes half the time where the processor has it, and is ``fp32`` elsewhere.
    """

    def __init__(self, module: nn.Module, precision: str = "fp32") -> None:
        super().__init__()
        self.module = module
        self.precision = precision

    def forward(self, images: Tensor) -> Tensor:
        if importlib.util.find_spec("openvino") is None:
            outputs: Tensor = self.module(images)
            return outputs
        runner = _prepared(self.module, self.precision, images.shape[1:])
        return torch.cat([runner.run(part) for part in torch.split(images, _BATCH)])


@functools.cache
def _prepared(module: nn.Module, precision: str, shape: torch.Size) -> Runner:
    """Return what computes the outputs of ``module`` for up to `_BATCH` images of ``shape``, float [C, H, W]."""
    return OpenVinoRuntime().prepare(Model(module), Workload(torch.zeros(_BATCH, *shape), precision, 1))
