"""A model that OpenVINO runs: of a network of depthwise convolutions it takes a third of PyTorch's time on a CPU."""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pytest_robustness.inference.runtimes import openvino_cpu

if TYPE_CHECKING:
    from collections.abc import Callable


class Converted(nn.Module):
    """Answers as ``module`` does, but for rounding; without OpenVINO, ``module`` answers itself.

    Parameters
    ----------
    module
        Takes float [N, C, H, W] on the CPU; its outputs are float [N, K].
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        if importlib.util.find_spec("openvino") is None:
            outputs: Tensor = self.module(images)
            return outputs
        return _prepared(self.module, images.shape[1:])(images)


@functools.cache
def _prepared(module: nn.Module, shape: torch.Size) -> Callable[[Tensor], Tensor]:
    """Return what computes the outputs of ``module`` for a batch of images of ``shape``, float [C, H, W]."""
    from pytest_robustness.models.engines.openvino_core import compile_for_cpu

    converted = openvino_cpu._convert(module, torch.zeros(1, *shape))
    converted.reshape([-1, *shape])
    request = compile_for_cpu(converted, precision="f32", threads=torch.get_num_threads()).create_infer_request()
    return lambda images: torch.from_numpy(request.infer([images.contiguous().numpy()])[0])
