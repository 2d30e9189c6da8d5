"""Warps of a batch of images, uint8 [B, 3, H, W] in and out, on the images' device, with parameters for each image.

torchvision's ``rotate``, ``affine`` and ``perspective`` take one set of parameters per call. These functions sample the
whole batch at once with the same arithmetic (bilinear, zeros outside). The matrices alone are computed on the host and
sent to the device, so that every device samples at the same places. On the CPU compiled kernels do the same, where they
pay off (`cpu.choice`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn.functional import grid_sample

from pytest_robustness.transforms.corners import homographies
from pytest_robustness.transforms.cpu.choice import CHOICE

if TYPE_CHECKING:
    from numpy.typing import NDArray


class View(NamedTuple):
    """Where images are sampled: each pixel at ``plane @ (x, y, 1)``, in units of ``grid_sample``.

    Parameters
    ----------
    planes
        float32 [B or 1, 2, 3]; or [B or 1, 3, 3] of a perspective, whose third row divides the others.
    first
        x and y of the first pixel.
    """

    planes: NDArray[np.float32]
    first: tuple[float, float]


def rotate(images: torch.Tensor, degrees: NDArray[np.float64]) -> torch.Tensor:
    """Rotate each image about its centre by ``degrees`` (float64 [B]), counter-clockwise."""
    return _warped(images, affine_view(rotation_matrices(degrees), *images.shape[-2:]))


def translate(images: torch.Tensor, offsets: NDArray[np.float64]) -> torch.Tensor:
    """Move each image right and down by ``offsets`` in whole pixels (float64 [B, 2])."""
    if images.device.type == "cpu":
        return _moved(images, offsets.astype(int))
    matrices = np.tile(np.eye(2, 3), (len(offsets), 1, 1))
    matrices[:, :, 2] = -offsets
    return sampled(images, affine_view(matrices, *images.shape[-2:]))


def zoom(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Enlarge every image about its centre by ``factor``; its size does not change."""
    return _warped(images, affine_view(np.eye(2, 3)[None] / factor, *images.shape[-2:]))


def perspective(images: torch.Tensor, corners: NDArray[np.float64]) -> torch.Tensor:
    """Warp each image so that its corners move to ``corners`` in pixels (float64 [B, 4, 2], convex)."""
    height, width = images.shape[-2:]
    if min(height, width) == 1:  # corners coincide, so there is no other view
        return images.clone()
    return _warped(images, perspective_view(homographies(corners, height, width), height, width))


def rotation_matrices(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrices [B, 2, 3] from output to input pixels of rotations by ``degrees`` (float64 [B])."""
    angles = np.radians(degrees)
    cos, sin, zero = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    return np.stack([cos, -sin, zero, sin, cos, zero], axis=1).reshape(-1, 2, 3)


def affine_view(matrices: NDArray[np.float64], height: int, width: int) -> View:
    """Return where to sample for matrices [B or 1, 2, 3] from output to input pixels, from the image's centre."""
    halves = np.array([[width / 2], [height / 2]], dtype=np.float32)
    return View(matrices.astype(np.float32) / halves, ((1 - width) / 2, (1 - height) / 2))


def perspective_view(matrices: NDArray[np.float64], height: int, width: int) -> View:
    """Return where to sample for homographies [B, 3, 3] from output to input pixels, from the top left."""
    rows = matrices.astype(np.float32)
    halves = np.array([[width / 2], [height / 2]], dtype=np.float32)
    return View(np.concatenate([rows[:, :2] / halves, rows[:, 2:]], axis=1), (0.5, 0.5))


def grid(images: torch.Tensor, view: View) -> torch.Tensor:
    """Return where to sample as ``grid_sample`` has it: float32 [B or 1, H, W, 2].

    Broadcast products are summed, because a GPU may compute a matrix product in TF32, which would shift whole pixels.
    """
    height, width = images.shape[-2:]
    x, y = view.first
    across = torch.arange(width, dtype=torch.float32, device=images.device).add_(x).view(1, 1, width, 1)
    down = torch.arange(height, dtype=torch.float32, device=images.device).add_(y).view(1, height, 1, 1)
    # Only on CUDA is an asynchronous copy safe.
    rows = torch.from_numpy(view.planes).to(images.device, non_blocking=images.is_cuda)[:, None, None]
    planes = across * rows[..., 0] + (down * rows[..., 1] + rows[..., 2])
    if planes.shape[-1] == 2:
        return planes
    # At a pixel on the horizon the division is by zero; 4 lies outside every image.
    return planes[..., :2].div(planes[..., 2:]).sub_(1).nan_to_num_(4, 4, -4)


def sampled(images: torch.Tensor, view: View) -> torch.Tensor:
    """Sample ``images`` by PyTorch's operations, rounding half to even."""
    every = grid(images, view).expand(len(images), -1, -1, -1)
    values = grid_sample(images.float(), every, mode="bilinear", padding_mode="zeros", align_corners=False)
    return values.round_().to(torch.uint8)


def _warped(images: torch.Tensor, view: View) -> torch.Tensor:
    batches = CHOICE.batches(images)
    if batches is None:
        return sampled(images, view)
    warped = batches.warp(images.contiguous().numpy(), view.planes, view.first, torch.get_num_threads())
    return torch.from_numpy(warped)


def _moved(images: torch.Tensor, offsets: NDArray[np.int64]) -> torch.Tensor:
    """Copy each image to its place; arrays do it on this thread alone, which takes less time than to wake others."""
    pixels, result = images.numpy(), np.zeros(images.shape, np.uint8)
    height, width = images.shape[-2:]
    for image, moved, (x, y) in zip(pixels, result, offsets, strict=True):
        moved[..., max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
            ..., max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
        ]
    return torch.from_numpy(result)
