"""From a decoded image to the square that a transform sees, and from there to the model's crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

if TYPE_CHECKING:
    import torch

    from pytest_robustness.core import Canvas


def to_canvas(image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
    """Resize the shorter side to ``canvas.resize`` and cut the square that holds the model's centre crop.

    The square lies where cropping its centre gives the pixels that torchvision's ``center_crop(resize(image))`` gives;
    that may be one pixel off its own centre, because torchvision rounds half pixels to even.

    Parameters
    ----------
    image
        uint8 [3, H, W].
    canvas
        With ``resize`` ``None`` the image is returned as it is.

    Returns
    -------
    uint8 [3, resize, resize]; it may share memory with ``image``.
    """
    if canvas.resize is None:
        return image
    mode = InterpolationMode(canvas.interpolation)
    image = tvf.resize(image, [canvas.resize], interpolation=mode, antialias=canvas.antialias)
    crop = canvas.resize if canvas.crop is None else canvas.crop
    in_square = _crop_offset(canvas.resize, crop)
    top, left = (_crop_offset(side, crop) - in_square for side in image.shape[-2:])
    return image[..., top : top + canvas.resize, left : left + canvas.resize]


def center_crop(images: torch.Tensor, crop: int | None) -> torch.Tensor:
    """Return the centre of ``images`` [..., H, W] as torchvision cuts it: [..., crop, crop], a view.

    ``None`` returns ``images``; an image smaller than the crop is padded with black, in a copy.
    """
    return images if crop is None else tvf.center_crop(images, [crop, crop])


def _crop_offset(side: int, crop: int) -> int:
    return round((side - crop) / 2.0)
