"""Engines are compiled for one batch size, at which they are fastest; smaller batches are filled up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def padded(run: Callable[[torch.Tensor], torch.Tensor], size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what calls ``run`` with exactly ``size`` images and returns the rows of those that it was given."""

    def call(images: torch.Tensor) -> torch.Tensor:
        missing = size - len(images)
        if not missing:
            return run(images)
        filled = torch.cat([images, images.new_zeros((missing, *images.shape[1:]))])
        return run(filled)[: len(images)]

    return call
