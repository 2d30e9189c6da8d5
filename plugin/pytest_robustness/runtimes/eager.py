"""The runtime that needs nothing: eager PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pytest_robustness.records import Model, Runner

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class EagerRuntime:
    """Runs the module as it is, channels last."""

    name = "eager"

    def prepare(self, model: Model, device: torch.device, precision: str) -> Runner:
        """Move ``model`` to ``device`` at ``precision`` (fp32, bf16 or fp16) and return what runs it."""
        dtype = _DTYPES[precision]
        module = model.module.eval().to(device, dtype).to(memory_format=torch.channels_last)

        def run(images: torch.Tensor) -> torch.Tensor:
            logits = module(images.to(dtype, memory_format=torch.channels_last))
            return torch.as_tensor(logits).float()

        return run
