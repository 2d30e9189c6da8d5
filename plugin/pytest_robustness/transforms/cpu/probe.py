"""Compare the kernels with PyTorch's operations on a few images, before they are used on this processor."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from pytest_robustness.transforms.corners import draw_corners, homographies
from pytest_robustness.transforms.cpu import batches

_SIDE: Final = 64
_IMAGES: Final = 8


def agrees() -> bool:
    """Return whether the kernels sample as ``grid_sample`` does here, to the last bit.

    Whether PyTorch adds products with one rounding or with two depends on the processor it was compiled for. Images of
    few values show it: there many sums lie half-way between two integers.
    """
    from pytest_robustness.transforms import warps

    random = np.random.default_rng(0)
    images = random.integers(0, 4, (_IMAGES, 3, _SIDE, _SIDE), dtype=np.uint8) * np.uint8(64)
    corners = homographies(draw_corners(random.random((_IMAGES, 8)), 0.5, _SIDE, _SIDE), _SIDE, _SIDE)
    turned = warps.rotation_matrices(np.linspace(5, 85, _IMAGES))
    for view in (
        warps.affine_view(turned, _SIDE, _SIDE),
        warps.affine_view(np.eye(2, 3)[None] / 1.5, _SIDE, _SIDE),
        warps.perspective_view(corners, _SIDE, _SIDE),
    ):
        expected = warps.sampled(torch.from_numpy(images), view).numpy()
        if not np.array_equal(batches.warp(images, view.planes, view.first, 1), expected):
            return False
    return True
