"""Read what the header of an image says of its pixels: its EXIF orientation, transparency, and what is not read of it.

The tag says how a viewer is to turn or mirror the stored pixels. Neither torchvision's ImageFolder nor this package
obeys it: cameras set it, programs turn the pixels and leave it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import ExifTags, Image

from pytest_robustness.data.decoding.formats import formats_for
from pytest_robustness.data.decoding.pillow_settings import strictly
from pytest_robustness.data.decoding.pixels import dropped_bands, is_deep

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

UPRIGHT: Final = 1
_CODES: Final = range(1, 9)
_OF_FRAMES: Final = ("TIFF", "GIF", "WEBP", "PNG", "AVIF")
_log = logging.getLogger(__name__)


class Traits(NamedTuple):
    """What the header of an image says."""

    orientation: int
    """The EXIF code, 1 to 8, that is still to be obeyed; 1 where the pixels are read upright."""
    transparent: bool
    """It has an alpha channel, or a transparent colour."""
    deep: bool = False
    """Its values, grey or colours, have 16 bits."""
    dropped_bands: int = 0
    """So many channels are neither colours nor alpha, and left out."""
    more_frames: bool = False
    """It has frames or pages besides the first, which alone is read."""


def header_traits(opened: Callable[[], BinaryIO], name: str) -> Traits:
    """Return the traits of the image ``name`` that ``opened`` opens, from its header alone; what is no image has none.

    Its pixels are not decoded.
    """
    try:
        with opened() as file, strictly(), Image.open(file, formats=formats_for(name)) as image:
            first = Traits(_orientation(image), image.has_transparency_data, is_deep(image), dropped_bands(image))
            return first._replace(more_frames=_has_more_frames(image))  # the last, because it leaves the first frame
    except Exception:  # a bad image is reported when it is read, and a header may raise an error of any type
        _log.debug("%s has no header to read", name, exc_info=True)
        return Traits(UPRIGHT, transparent=False)


def _has_more_frames(image: Image.Image) -> bool:
    """Return whether an image has frames or pages of its own kind; a preview or the parts of an icon are none."""
    try:
        return image.format in _OF_FRAMES and bool(getattr(image, "is_animated", False))
    except Exception:  # a second frame that is damaged is none that could be read
        _log.debug("an image has no second frame that can be read", exc_info=True)
        return False


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow obeys the tag of a TIFF, as does torchvision with it
        return UPRIGHT
    # The method of the base class: that of a PNG decodes all pixels, to look for data behind them.
    tag = Image.Image.getexif(image).get(ExifTags.Base.Orientation, UPRIGHT)
    return int(tag) if isinstance(tag, int | float) and tag in _CODES else UPRIGHT
