"""From the uint8 canvas to a model's input."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from pytest_robustness.inference.canvas import center_crop

if TYPE_CHECKING:
    from pytest_robustness.core import Preprocess


def to_inputs(images: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Crop the centre of ``images`` (uint8 [B, 3, H, W]), scale to [0, 1] and normalize: float32 [B, 3, h, w]."""
    mean, std = _statistics(preprocess, images.device)
    return center_crop(images, preprocess.crop).float().div_(255).sub_(mean).div_(std)


@functools.lru_cache(maxsize=64)
def _statistics(preprocess: Preprocess, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (preprocess.mean, preprocess.std))
    return mean, std
