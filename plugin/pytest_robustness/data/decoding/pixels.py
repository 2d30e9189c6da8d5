"""Turn any image of Pillow's into 8-bit RGB as people mean it, or refuse it with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_BITS_PER_SAMPLE: Final = 258
_PHOTOMETRIC: Final = 262
_WHITE_IS_ZERO: Final = 0
_SAMPLE_FORMAT: Final = 339
_SIGNED: Final = 2
_SAMPLES: Final = 277


class PixelRangeError(ValueError):
    """Pixels whose range is not known, so that nobody can say which value is white."""


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of ``image``, a copy: uint8 [H, W, 3].

    8 bits and fewer come out as ``convert("RGB")`` gives them: alpha dropped, CMYK and LAB converted, the first frame
    only, no EXIF rotation. Grey of 9 to 16 bits is scaled, so that the largest value of its depth is white; Pillow
    would clip it.

    Raises
    ------
    PixelRangeError
        The pixels are 32-bit integers beyond 0 to 255, signed ones of 8 bits, or floating-point numbers.
    """
    if image.mode == "L" and _tag(image, _SAMPLE_FORMAT) == (_SIGNED,):
        raise PixelRangeError(
            "its pixels are signed integers of 8 bits, whose range is not known; save it with 8 or 16 bits unsigned"
        )
    if image.mode == "RGB":
        return np.array(image)
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image), (1 << _depth(image)) - 1, inverted=_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO)
    if image.mode == "I":
        return _integers(image)
    if image.mode == "F":
        raise PixelRangeError(
            "its pixels are floating-point numbers, whose range is not known; save it with 8 or 16 bits"
        )
    return np.array(image.convert("RGB"))


def is_deep(image: Image.Image) -> bool:
    """Whether its values, grey or colours, are of all of 16 bits; the pixels need not be decoded yet."""
    stored = [image.mode, *(str(tile[3]) for tile in getattr(image, "tile", ()))]
    return any(";16" in form for form in stored) and _depth(image) == 16


def dropped_bands(image: Image.Image) -> int:
    """Return how many channels of a TIFF are left out: those that are neither colours nor an alpha channel."""
    samples = _tag(image, _SAMPLES)
    return max(samples - 3, 0) if isinstance(samples, int) and image.mode in ("RGB", "RGBX") else 0


def _integers(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image)
    if image.format == "PPM":
        return _grey(pixels, 65535)  # Pillow scales these to 16 bits itself
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 255:
        raise PixelRangeError(
            f"its pixels are 32-bit integers from {low} to {high}, whose range is not known; save it with 8 or 16 bits"
        )
    return _grey(pixels, 255)


def _grey(pixels: NDArray[Any], white: int, *, inverted: bool = False) -> NDArray[np.uint8]:
    """Return ``round(255 * pixels / white)`` in three channels; ``white`` is odd, so that nothing lies between two."""
    wide = pixels.astype(np.uint32).clip(max=white)
    grey = ((510 * (white - wide if inverted else wide) + white) // (2 * white)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _depth(image: Image.Image) -> int:
    bits = _tag(image, _BITS_PER_SAMPLE)
    return bits[0] if isinstance(bits, tuple) and len(bits) == 1 and 8 < bits[0] <= 16 else 16


def _tag(image: Image.Image, number: int) -> object:
    return getattr(image, "tag_v2", {}).get(number)
