"""Padding: engines are compiled for one number of images, which is fastest; batches are padded to a multiple."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def begun_padded(
    begin: Callable[[torch.Tensor], Callable[[], torch.Tensor]], size: int
) -> Callable[[torch.Tensor], Callable[[], torch.Tensor]]:
    """Return a function that begins a multiple of ``size`` images, and returns what drops the rows of the padding."""

    def call(images: torch.Tensor) -> Callable[[], torch.Tensor]:
        wait = begin(_filled(images, size))
        return lambda: wait()[: len(images)]

    return call


def padded(run: Callable[[torch.Tensor], torch.Tensor], size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that calls ``run`` with a multiple of ``size`` images and drops the rows of the padding."""

    def call(images: torch.Tensor) -> torch.Tensor:
        return run(_filled(images, size))[: len(images)]

    return call


def _filled(images: torch.Tensor, size: int) -> torch.Tensor:
    missing = -len(images) % size
    return torch.cat([images, images.new_zeros((missing, *images.shape[1:]))]) if missing else images
