"""Decode plain JPEG files by torchcodec, where it is installed and gives Pillow's pixels; Pillow decodes the rest."""

from __future__ import annotations

import functools
import importlib.util
import io
import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from pytest_robustness.data.decoding.pillow_settings import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

_log = logging.getLogger(__name__)

_EXIF: Final = b"Exif\x00"
_APP1, _SCAN = 0xE1, 0xDA
# Baseline, extended and progressive with Huffman codes; the other ways to code an image are Pillow's.
_FRAMES: Final = (0xC0, 0xC1, 0xC2)
_OTHER_FRAMES: Final = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))


def decode_plain(data: bytes) -> torch.Tensor | None:
    """Return the pixels of a plain JPEG file: uint8 [3, H, W]; ``None`` where Pillow has to decode or refuse it."""
    if not is_plain(data):
        return None
    decoder = _decoder()
    if decoder is None:
        return None
    try:
        return decoder(data)
    except Exception:  # a damaged file, whose fault Pillow names
        _log.debug("torchcodec cannot decode a JPEG file", exc_info=True)
        return None


def is_plain(data: bytes) -> bool:
    """Whether ``data`` is a JPEG file of one or three channels of 8 bits, not too large, and without EXIF.

    torchcodec obeys an orientation in EXIF, which published accuracies do not; and it has no limit of size.
    """
    if data[:3] != b"\xff\xd8\xff":
        return False
    place, sized = 2, False
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        content = data[place + 4 : place + 2 + length]
        if marker == _SCAN:
            return sized
        if marker in _OTHER_FRAMES or length < 2 or (marker == _APP1 and content.startswith(_EXIF)):
            return False
        if marker in _FRAMES:
            if sized or not _is_ordinary(content):
                return False
            sized = True
        place += 2 + length
    return False


def _is_ordinary(frame: bytes) -> bool:
    """Whether a frame header gives 8 bits, one or three channels, and a size that Pillow would take."""
    if len(frame) < 6:
        return False
    pixels = int.from_bytes(frame[1:3], "big") * int.from_bytes(frame[3:5], "big")
    return frame[0] == 8 and frame[5] in (1, 3) and 0 < pixels <= MAX_PIXELS


@functools.cache
def _decoder() -> Callable[[bytes], torch.Tensor] | None:
    """Return torchcodec's decoder, if it is installed, can be loaded and gives Pillow's pixels here."""
    if importlib.util.find_spec("torchcodec") is None:
        return None
    try:
        import torch
        from torchcodec.decoders import decode_jpeg

        def decode(data: bytes) -> torch.Tensor:
            # A copy, because PyTorch has no read-only tensors.
            pixels: torch.Tensor = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode="RGB")
            return pixels

        if _agrees(decode):
            return decode
        _log.debug("torchcodec's pixels of a JPEG file are not Pillow's")
    except Exception:  # libraries that it needs are missing, or it is older than its function
        _log.debug("torchcodec cannot be used", exc_info=True)
    return None


def _agrees(decode: Callable[[bytes], Any]) -> bool:
    """Whether both decoders give the same pixels of one picture, with each way to store its colors."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((83, 61))
    for subsampling in (0, 1, 2):
        file = io.BytesIO()
        picture.save(file, "JPEG", subsampling=subsampling, quality=90)
        with Image.open(file) as image:
            expected = np.asarray(image)
        if not np.array_equal(decode(file.getvalue()).permute(1, 2, 0).numpy(), expected):
            return False
    return True
