"""Image preprocessing: from a decoded image to the canvas that a transform sees, and from there to a model's input."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.transforms.cpu.choice import CHOICE

if TYPE_CHECKING:
    from pytest_robustness.core import Canvas, Preprocess


def to_canvas(image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
    """Resize the shorter side to ``canvas.resize`` and cut the square that holds the model's centre crop, or squash.

    The square is placed so that cropping its centre gives the pixels that torchvision's ``center_crop(resize(image))``
    gives. It may be one pixel off the image's centre, because torchvision rounds half pixels to even.

    Parameters
    ----------
    image
        uint8 [3, H, W].
    canvas
        If its ``resize`` is ``None``, the image is returned unchanged.

    Returns
    -------
    uint8 [3, resize, resize]; it may share memory with ``image``.
    """
    if canvas.resize is None:
        return image
    mode = InterpolationMode(canvas.interpolation)
    sides = [canvas.resize] * (2 if canvas.squash else 1)
    image = tvf.resize(image, sides, interpolation=mode, antialias=canvas.antialias)
    crop = canvas.resize if canvas.crop is None else canvas.crop
    in_square = _crop_offset(canvas.resize, crop)
    top, left = (_crop_offset(side, crop) - in_square for side in image.shape[-2:])
    return image[..., top : top + canvas.resize, left : left + canvas.resize]


def center_crop(images: torch.Tensor, crop: int | None) -> torch.Tensor:
    """Return the centre of ``images`` [..., H, W] as torchvision cuts it: [..., crop, crop], a view.

    ``None`` returns ``images``; an image smaller than the crop is copied and padded with black.
    """
    return images if crop is None else tvf.center_crop(images, [crop, crop])


def to_inputs(images: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Return what a model gets of ``images`` (uint8 [B, 3, H, W]): cropped, normalized, in its order and layout.

    Returns
    -------
    float32 [B, 3, h, w], or [B, h, w, 3] where ``preprocess`` says so.
    """
    inputs = _normalized(images, preprocess)
    if preprocess.channels == "BGR":
        inputs = inputs.flip(1)
    return inputs.permute(0, 2, 3, 1).contiguous() if preprocess.layout == "NHWC" else inputs


def _normalized(images: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Crop the centre of ``images``, scale to [0, 1] and normalize: float32 [B, 3, h, w]."""
    mean, std = _statistics(preprocess, images.device)
    cropped = center_crop(images, preprocess.crop)
    batches = CHOICE.batches(cropped)
    if batches is None:
        return cropped.float().div_(255).sub_(mean).div_(std)
    statistics = (mean.flatten().numpy(), std.flatten().numpy())
    return torch.from_numpy(batches.normalize(cropped.numpy(), *statistics, torch.get_num_threads()))


def _crop_offset(side: int, crop: int) -> int:
    return round((side - crop) / 2.0)


@functools.lru_cache(maxsize=64)
def _statistics(preprocess: Preprocess, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (preprocess.mean, preprocess.std))
    return mean, std
