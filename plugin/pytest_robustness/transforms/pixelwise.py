"""Transforms that look at one value, one histogram or one row at a time, with torchvision's pixels on every device.

Batches are uint8 [B, 3, H, W] in and out. On the CPU compiled kernels change them, where they pay off (`cpu.choice`).
"""

from __future__ import annotations

import torch
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.transforms.cpu.choice import CHOICE


def brighten(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply every value by ``factor``, up to 255."""
    batches = CHOICE.batches(images)
    if batches is None:
        return tvf.adjust_brightness(images, factor)
    return torch.from_numpy(batches.brighten(images.contiguous().numpy(), factor))


def equalize(images: torch.Tensor) -> torch.Tensor:
    """Equalize the histogram of each channel of each image."""
    batches = CHOICE.batches(images)
    if batches is None:
        return tvf.equalize(images)
    return torch.from_numpy(batches.equalize(images.contiguous().numpy(), torch.get_num_threads()))


def mirror(images: torch.Tensor) -> torch.Tensor:
    """Mirror every image left to right."""
    batches = CHOICE.batches(images)
    if batches is None:
        return tvf.horizontal_flip(images)
    return torch.from_numpy(batches.mirror(images.contiguous().numpy()))


def upside_down(images: torch.Tensor) -> torch.Tensor:
    """Mirror every image top to bottom."""
    if images.device.type != "cpu":
        return tvf.vertical_flip(images)
    return torch.from_numpy(images.numpy()[..., ::-1, :].copy())
