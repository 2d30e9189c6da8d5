"""Padding: engines are compiled for one batch size, which is fastest; smaller batches are padded to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def padded(run: Callable[[torch.Tensor], torch.Tensor], size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that calls ``run`` with exactly ``size`` images and drops the rows of the padding."""

    def call(images: torch.Tensor) -> torch.Tensor:
        missing = size - len(images)
        if not missing:
            return run(images)
        filled = torch.cat([images, images.new_zeros((missing, *images.shape[1:]))])
        return run(filled)[: len(images)]

    return call
