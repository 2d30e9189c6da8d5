"""The nine transforms of the protocol, and others on request: what levels mean, and how draws become parameters.

A transform is one decorated function; its version goes up whenever its pixels change. Implementations are imported
lazily, because they need torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core.errors import TransformError
from pytest_robustness.transforms.corners import draw_corners
from pytest_robustness.transforms.exif import EXIF
from pytest_robustness.transforms.registry import Registry

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


_STANDARD = Registry()


def builtin() -> Registry:
    """Return a new registry that holds the nine, and on request the quarter turns and the files' orientation tags."""
    return _STANDARD.copy()


@_STANDARD.transform("rotation", levels=(5, 15, 30, 45, 90), neutral=0, continuous=True, draws=1, version=1)
def rotation(images: torch.Tensor, level: float, draws: NDArray[np.float64]) -> torch.Tensor:
    """Rotate about the centre by ± that many degrees, the sign drawn per image."""
    from pytest_robustness.transforms import warps

    return warps.rotate(images, level * _signs(draws[:, 0]))


@_STANDARD.transform("brightness", levels=(1.1, 1.25, 1.5, 1.75, 2.0), neutral=1, version=1)
def brightness(images: torch.Tensor, level: float) -> torch.Tensor:
    """Multiply every pixel by that factor, up to 255."""
    from pytest_robustness.transforms import pixelwise

    return pixelwise.brighten(images, level)


@_STANDARD.transform("translate", levels=(0.05, 0.1, 0.2, 0.3, 0.4), neutral=0, draws=2, version=1)
def translate(images: torch.Tensor, level: float, draws: NDArray[np.float64]) -> torch.Tensor:
    """Move by ± that fraction of width and height, in whole pixels, each sign drawn per image."""
    from pytest_robustness.transforms import warps

    height, width = images.shape[-2:]
    return warps.translate(images, np.array([round(level * width), round(level * height)]) * _signs(draws))


@_STANDARD.transform("zoom", levels=(1.1, 1.25, 1.5, 2.0, 3.0), neutral=1, version=1)
def zoom(images: torch.Tensor, level: float) -> torch.Tensor:
    """Enlarge about the centre by that factor."""
    from pytest_robustness.transforms import warps

    return warps.zoom(images, level)


@_STANDARD.transform("perspective", levels=(0.1, 0.3, 0.5, 0.7, 0.9), neutral=0, draws=8, version=1)
def perspective(images: torch.Tensor, level: float, draws: NDArray[np.float64]) -> torch.Tensor:
    """View in perspective: each corner moves inwards by up to that fraction of half a side, drawn per image."""
    from pytest_robustness.transforms import warps

    height, width = images.shape[-2:]
    return warps.perspective(images, draw_corners(draws, level, height, width))


@_STANDARD.transform("equalize", version=1)
def equalize(images: torch.Tensor) -> torch.Tensor:
    """Equalize the histogram of each channel."""
    from pytest_robustness.transforms import pixelwise

    return pixelwise.equalize(images)


@_STANDARD.transform("hflip", version=1)
def hflip(images: torch.Tensor) -> torch.Tensor:
    """Mirror left to right."""
    from pytest_robustness.transforms import pixelwise

    return pixelwise.mirror(images)


@_STANDARD.transform("vflip", version=1)
def vflip(images: torch.Tensor) -> torch.Tensor:
    """Mirror top to bottom."""
    from pytest_robustness.transforms import pixelwise

    return pixelwise.upside_down(images)


_STANDARD.chain("equalize_zoom_brightness", ("equalize", "zoom", "brightness"))


@_STANDARD.transform("turn90", version=1, on_request=True)
def turn90(images: torch.Tensor) -> torch.Tensor:
    """Turn by a quarter, counter-clockwise, pixel by pixel; the images must be square."""
    return _turned(images, 1)


@_STANDARD.transform("turn180", version=1, on_request=True)
def turn180(images: torch.Tensor) -> torch.Tensor:
    """Turn upside down, pixel by pixel."""
    return _turned(images, 2)


@_STANDARD.transform("turn270", version=1, on_request=True)
def turn270(images: torch.Tensor) -> torch.Tensor:
    """Turn by three quarters, counter-clockwise, pixel by pixel; the images must be square."""
    return _turned(images, 3)


_STANDARD.add(EXIF, on_request=True)


def _turned(images: torch.Tensor, quarters: int) -> torch.Tensor:
    height, width = images.shape[-2:]
    if quarters % 2 and height != width:
        raise TransformError(
            f"A quarter turn keeps the size of square images alone, and these are {width} x {height} pixels. Give the "
            f"model Preprocess(resize=..., crop=...), or turn by turn180."
        )
    return images.rot90(quarters, dims=(-2, -1))


def _signs(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn uniform draws into fair signs of the same shape."""
    return np.where(draws < 0.5, -1.0, 1.0)
