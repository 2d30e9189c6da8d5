"""Decode image files.

PIL decodes every format; plain JPEG files are decoded by torchcodec where it is installed, with the same pixels
(`quick_jpeg`, docs/design/0001).
"""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import torch
from PIL import Image, UnidentifiedImageError

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.data.decoding.formats import formats_for
from pytest_robustness.data.decoding.kinds import HEAD, kind_of
from pytest_robustness.data.decoding.pillow_settings import strictly
from pytest_robustness.data.decoding.pixels import to_rgb
from pytest_robustness.data.decoding.quick_jpeg import decode_plain
from pytest_robustness.data.faults import in_passing, retried

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


def decode(data: bytes, describe: str) -> torch.Tensor:
    """Decode an image file to RGB; `to_rgb` says what becomes of its mode.

    Parameters
    ----------
    data
        The content of the file, in any format of `formats.readable`.
    describe
        The image's name in messages. Content without a signature of its own is decoded only where the name ends
        accordingly (``.tga``).

    Returns
    -------
    uint8 [3, H, W], in memory in the order H, W, 3, which torchvision's resize takes without a copy.

    Raises
    ------
    BadImageError
        The bytes are not an image, or not a complete one, or one whose pixels have no known range. Its ``content`` is
        false where memory was short, twice.
    """
    plain = decode_plain(data)
    if plain is not None:
        return plain
    try:
        pixels = retried(lambda: _pixels(data, describe))
    except Exception as error:  # PIL's readers raise errors of a dozen types on damaged files
        _log.debug("%s cannot be decoded", describe, exc_info=True)
        raise BadImageError(describe, _reason(data, error), content=not in_passing(error)) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _pixels(data: bytes, name: str) -> NDArray[np.uint8]:
    with strictly(), Image.open(io.BytesIO(data), formats=formats_for(name)) as image:
        return to_rgb(image)


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        kind = kind_of(data[:HEAD])
        return f"its content is in no image format that is read{f': it is {kind}' if kind else ''}"
    return str(error) or type(error).__name__
