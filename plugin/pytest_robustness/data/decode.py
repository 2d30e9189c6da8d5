"""From the bytes of an image file to pixels.

PIL decodes every format. torchvision's own decoders are deprecated from 0.29 on, and its PNG decoder takes the process
down with it on a damaged file; on 1,000 ImageNet JPEGs its pixels were those of PIL to the last bit.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from pytest_robustness.errors import BadImageError


def decode(data: bytes, describe: str) -> torch.Tensor:
    """Decode an image file as PIL's ``convert("RGB")`` does: no EXIF rotation, alpha dropped, the first frame only.

    Parameters
    ----------
    data
        The content of the file, in any format that PIL reads.
    describe
        What names the image to a user.

    Returns
    -------
    uint8 [3, H, W]; the memory is in the order H, W, 3, which torchvision's resize takes without a copy.

    Raises
    ------
    BadImageError
        Where the bytes are no image, or not a whole one.
    """
    try:
        with warnings.catch_warnings():
            # PIL's warnings (odd metadata, transparent palettes, big images) name no file and change no pixel.
            warnings.simplefilter("ignore")
            return _pixels(data)
    except Exception as error:  # PIL's readers raise errors of a dozen types on damaged files
        raise BadImageError(describe, _reason(data, error)) from error


def _pixels(data: bytes) -> torch.Tensor:
    with Image.open(io.BytesIO(data)) as image:
        # convert() copies even where there is nothing to convert.
        pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its content is in no image format that PIL reads"
    return str(error) or type(error).__name__
