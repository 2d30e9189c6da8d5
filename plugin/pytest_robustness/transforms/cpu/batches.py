"""Whole batches by the kernels, each image on whichever thread is free: uint8 [B, 3, H, W] in and out, contiguous."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.core.threads import divided
from pytest_robustness.transforms.cpu import kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Calling a kernel takes some microseconds, so that small images share a call's way into a thread.
_PIXELS_AT_ONCE: Final = 2**15
_buffers = threading.local()


def warp(
    images: NDArray[np.uint8], planes: NDArray[np.float32], first: tuple[float, float], threads: int
) -> NDArray[np.uint8]:
    """Sample each image where ``planes`` [B or 1, 2 or 3, 3] say; three rows are a perspective. See `warps`."""
    perspective = planes.shape[1] == 3
    rows = planes.reshape(len(planes), -1)
    flat = np.zeros((len(images), 9), np.float32)
    flat[:, : rows.shape[1]] = rows
    start = (np.float32(first[0]), np.float32(first[1]))

    def one(image: NDArray[np.uint8], result: NDArray[np.uint8], number: int) -> None:
        packed = _buffer(*image.shape[1:])
        kernels.pack(image, packed)
        kernels.warp(packed, tuple(flat[number]), start, perspective, result)

    return _each(images, one, threads)


def brighten(images: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Multiply every value, up to 255; on this thread, which is done before others would wake."""
    result = np.empty_like(images)
    kernels.brighten(images.reshape(-1), np.float32(factor), result.reshape(-1))
    return result


def equalize(images: NDArray[np.uint8], threads: int) -> NDArray[np.uint8]:
    """Equalize the histogram of each channel."""

    def one(image: NDArray[np.uint8], result: NDArray[np.uint8], _: int) -> None:
        tables = np.empty((3, 256), np.uint8)
        kernels.equalizing(image, tables)
        kernels.look_up(image, tables, result)

    return _each(images, one, threads)


def mirror(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirror left to right; on this thread, which is done before others would wake."""
    result, width = np.empty_like(images), images.shape[-1]
    kernels.mirror(images.reshape(-1, width), result.reshape(-1, width))
    return result


def normalize(
    images: NDArray[np.uint8], mean: NDArray[np.float32], std: NDArray[np.float32], threads: int
) -> NDArray[np.float32]:
    """Return ``(images / 255 - mean) / std``, channel by channel: float32; ``images`` may be a crop of others."""
    result = np.empty(images.shape, np.float32)
    _split(len(images), images[:1].size, lambda i: kernels.normalize(images[i], mean, std, result[i]), threads)
    return result


def _each(
    images: NDArray[np.uint8], change: Callable[[NDArray[np.uint8], NDArray[np.uint8], int], None], threads: int
) -> NDArray[np.uint8]:
    result = np.empty_like(images)
    _split(len(images), images[:1].size, lambda i: change(images[i], result[i], i), threads)
    return result


def _split(count: int, size: int, work: Callable[[int], None], threads: int) -> None:
    """Call ``work`` with the number of each image of ``size`` values, several at a time where they are small."""
    together = max(1, 3 * _PIXELS_AT_ONCE // max(1, size))

    def part(number: int) -> None:
        for image in range(number * together, min(count, (number + 1) * together)):
            work(image)

    divided(part, -(-count // together), threads)


def _buffer(height: int, width: int) -> NDArray[np.uint32]:
    """Return this thread's buffer for a packed image; its border is black, and nothing writes there."""
    if getattr(_buffers, "size", None) != (height, width):
        border = 2 * kernels.BORDER
        _buffers.size = (height, width)
        _buffers.packed = np.zeros((height + border, width + border), np.uint32)
    packed: NDArray[np.uint32] = _buffers.packed
    return packed
