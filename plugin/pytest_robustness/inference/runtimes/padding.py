"""Padding: engines are compiled for one number of images, which is fastest; batches are padded to a multiple."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def padded(run: Callable[[torch.Tensor], torch.Tensor], size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that calls ``run`` with a multiple of ``size`` images and drops the rows of the padding."""

    def call(images: torch.Tensor) -> torch.Tensor:
        missing = -len(images) % size
        if not missing:
            return run(images)
        filled = torch.cat([images, images.new_zeros((missing, *images.shape[1:]))])
        return run(filled)[: len(images)]

    return call
