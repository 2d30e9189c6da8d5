"""Eager PyTorch: the runtime that needs nothing else, and the reference for the others."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core import EngineUsed, Runner

if TYPE_CHECKING:
    from pytest_robustness.core import Model, Workload

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class EagerRuntime:
    """Runs the module without compiling it, channels last."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:  # noqa: ARG002
        """Return ``None``: eager PyTorch always runs."""
        return None

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Move ``model`` to the device, at the precision, and return what runs it."""
        dtype = DTYPES[workload.precision]
        module = placed(model, workload)

        def run(images: torch.Tensor) -> torch.Tensor:
            # Copied: other models get the same images, and a module may write into its input.
            logits = module(images.to(dtype, memory_format=torch.channels_last, copy=True))
            return torch.as_tensor(logits).float()

        return Runner(run, EngineUsed("eager", workload.precision))


def placed(model: Model, workload: Workload) -> torch.nn.Module:
    """Return the module on the device of ``workload``, at its precision, channels last; ``model`` keeps its weights."""
    dtype = DTYPES[workload.precision]
    module = model.module
    if dtype != torch.float32:
        module = copy.deepcopy(module)
    return module.to(workload.example.device, dtype).to(memory_format=torch.channels_last)


def run_unchanged(model: Model, device: torch.device) -> Runner:
    """Return what runs a model whose module contains its own inference engine."""
    module = model.module.to(device)
    return Runner(lambda images: module(images.clone()).float(), EngineUsed(model.runtime, "native"))
