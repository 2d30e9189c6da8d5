"""Warps of a batch of images, uint8 [B, 3, H, W] in and out, on the images' device, with parameters for each image.

torchvision's ``rotate``, ``affine`` and ``perspective`` take one set of parameters per call. These functions sample the
whole batch at once with the same arithmetic (bilinear, zeros outside). The matrices alone are computed on the host and
sent to the device, so that every device samples at the same places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import grid_sample

from pytest_robustness.transforms.corners import homographies

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rotate(images: torch.Tensor, degrees: NDArray[np.float64]) -> torch.Tensor:
    """Rotate each image about its centre by ``degrees`` (float64 [B]), counter-clockwise."""
    angles = np.radians(degrees)
    cos, sin, zero = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    matrices = np.stack([cos, -sin, zero, sin, cos, zero], axis=1).reshape(-1, 2, 3)
    return _sample(images, affine_grid(images, matrices))


def translate(images: torch.Tensor, offsets: NDArray[np.float64]) -> torch.Tensor:
    """Move each image right and down by ``offsets`` in pixels (float64 [B, 2])."""
    matrices = np.tile(np.eye(2, 3), (len(offsets), 1, 1))
    matrices[:, :, 2] = -offsets
    return _sample(images, affine_grid(images, matrices))


def zoom(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Enlarge every image about its centre by ``factor``; its size does not change."""
    return _sample(images, affine_grid(images, np.eye(2, 3)[None] / factor))


def perspective(images: torch.Tensor, corners: NDArray[np.float64]) -> torch.Tensor:
    """Warp each image so that its corners move to ``corners`` in pixels (float64 [B, 4, 2], convex)."""
    height, width = images.shape[-2:]
    if min(height, width) == 1:  # corners coincide, so there is no other view
        return images.clone()
    return _sample(images, perspective_grid(images, homographies(corners, height, width)))


def affine_grid(images: torch.Tensor, matrices: NDArray[np.float64]) -> torch.Tensor:
    """Return where to sample, float32 [B or 1, H, W, 2], for matrices [B or 1, 2, 3] from output to input pixels.

    Pixels count from the centre of the image.
    """
    height, width = images.shape[-2:]
    halves = np.array([[width / 2], [height / 2]], dtype=np.float32)
    return _planes(images, matrices.astype(np.float32) / halves, (1 - width) / 2, (1 - height) / 2)


def perspective_grid(images: torch.Tensor, matrices: NDArray[np.float64]) -> torch.Tensor:
    """Return where to sample, float32 [B, H, W, 2], for homographies [B, 3, 3] from output to input pixels.

    Pixels count from the top left.
    """
    height, width = images.shape[-2:]
    rows = matrices.astype(np.float32)
    halves = np.array([[width / 2], [height / 2]], dtype=np.float32)
    grid = _planes(images, rows[:, :2] / halves, 0.5, 0.5).div_(_planes(images, rows[:, 2:], 0.5, 0.5)).sub_(1)
    # At a pixel on the horizon the division is by zero; 4 lies outside every image.
    return grid.nan_to_num_(4, 4, -4)


def _planes(images: torch.Tensor, rows: NDArray[np.float32], x: float, y: float) -> torch.Tensor:
    """Return ``row @ (x, y, 1)`` for rows [B, R, 3] at every pixel, the first one at (x, y): float32 [B, H, W, R].

    Broadcast products are summed, because a GPU may compute a matrix product in TF32, which would shift whole pixels.
    """
    height, width = images.shape[-2:]
    across = torch.arange(width, dtype=torch.float32, device=images.device).add_(x).view(1, 1, width, 1)
    down = torch.arange(height, dtype=torch.float32, device=images.device).add_(y).view(1, height, 1, 1)
    # Only on CUDA is an asynchronous copy safe.
    planes = torch.from_numpy(rows).to(images.device, non_blocking=images.is_cuda)[:, None, None]
    return across * planes[..., 0] + (down * planes[..., 1] + planes[..., 2])


def _sample(images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Sample ``images`` at ``grid`` (float32 [B or 1, H, W, 2], as ``grid_sample`` has it), rounding half to even."""
    every = grid.expand(len(images), -1, -1, -1)
    sampled = grid_sample(images.float(), every, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled.round_().to(torch.uint8)
