"""Read the EXIF orientation of image files, from their headers alone.

The tag says how a viewer is to turn or mirror the stored pixels. Neither torchvision's ImageFolder nor this package
obeys it: cameras set it, programs turn the pixels and leave it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import ExifTags, Image

from pytest_robustness.core.files import open_regular
from pytest_robustness.data.formats import formats_for
from pytest_robustness.data.pillow_settings import strictly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

UPRIGHT: Final = 1
_CODES: Final = range(1, 9)
_log = logging.getLogger(__name__)


class Orientation(NamedTuple):
    """What the header of an image says of its orientation."""

    tag: int
    """The code of the tag, 1 to 8; 1 where there is none, or one without a meaning."""
    applied: bool = False
    """The pixels are turned when they are read: Pillow obeys the tag of a TIFF, as does torchvision with it."""

    @property
    def pending(self) -> int:
        """The code that is still to be obeyed: 1 where the pixels are read upright."""
        return UPRIGHT if self.applied else self.tag


def orientation_of(image: Image.Image) -> Orientation:
    """Return the orientation in the header of an opened image; its pixels are not decoded."""
    # The method of the base class: that of a PNG decodes all pixels, to look for data behind them.
    tag = Image.Image.getexif(image).get(ExifTags.Base.Orientation, UPRIGHT)
    code = int(tag) if isinstance(tag, int | float) and tag in _CODES else UPRIGHT
    return Orientation(code, applied=image.format == "TIFF")


def orientation_in(path: Path) -> Orientation:
    """Return the orientation of an image file; what has no header to read counts as upright."""
    return header_orientation(lambda: open_regular(path), path.name)


def header_orientation(opened: Callable[[], BinaryIO], name: str) -> Orientation:
    """Return the orientation of the image ``name`` that ``opened`` opens; without a header, it counts as upright."""
    try:
        with opened() as file, strictly(), Image.open(file, formats=formats_for(name)) as image:
            return orientation_of(image)
    except Exception:  # a bad image is reported when it is read, and a header may raise an error of any type
        _log.debug("%s has no header to read", name, exc_info=True)
        return Orientation(UPRIGHT)
