"""Count images with a trait that is read in one way and could be meant in another: EXIF orientation, transparency."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

from pytest_robustness.core.files import open_regular
from pytest_robustness.core.text import printable
from pytest_robustness.data.encoded import EncodedSource
from pytest_robustness.data.formats import formats_for
from pytest_robustness.data.orientation import UPRIGHT, orientation_of
from pytest_robustness.data.pillow_settings import strictly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource

_MOST: Final = 500
"""So many headers are read in about a tenth of a second; of more images, so many are drawn."""
_LONGEST_NOTE: Final = 2_000
_log = logging.getLogger(__name__)


class Traits(NamedTuple):
    """What the header of an image says."""

    orientation: int
    """The code, 1 to 8, by which EXIF asks viewers to turn or mirror it; 1: not at all."""
    transparent: bool
    """It has an alpha channel, or a transparent colour."""


def data_notes(source: DataSource, indices: NDArray[np.int64]) -> tuple[str, ...]:
    """Return sentences on what a user should know about the images at ``indices`` (int64 [n]).

    Those of the source (``source.notes``, if it has any), in which names of files may be hostile, then the number of
    images with a trait; where there are more than 500, of as many drawn at random.
    """
    notes = [printable(str(note), _LONGEST_NOTE) for note in getattr(source, "notes", ())]
    return (*notes, *_traits(source, indices)) if isinstance(source, EncodedSource) else tuple(notes)


def traits_of(path: Path) -> Traits:
    """Return the traits of an image file from its header alone; what is no image has none."""
    return header_traits(lambda: open_regular(path), path.name)


def header_traits(opened: Callable[[], BinaryIO], name: str) -> Traits:
    """Return the traits of the image ``name`` that ``opened`` opens, from its header alone."""
    try:
        with opened() as file, strictly(), Image.open(file, formats=formats_for(name)) as image:
            return Traits(orientation_of(image).pending, image.has_transparency_data)
    except Exception:  # a bad image is reported when it is read, and a header may raise an error of any type
        _log.debug("%s has no header to read", name, exc_info=True)
        return Traits(UPRIGHT, transparent=False)


def _traits(source: EncodedSource, indices: NDArray[np.int64]) -> Iterator[str]:
    keys = np.random.PCG64(len(indices)).random_raw(len(indices))
    chosen = indices[np.argsort(keys, kind="stable")[:_MOST]]
    found = source.in_headers(chosen, header_traits)
    of = f"{len(chosen)} images" if len(chosen) == len(indices) else f"{len(chosen)} images looked at"
    tags = [one.orientation for one in found if one.orientation != UPRIGHT]
    transparent = sum(one.transparent for one in found)
    if tags:
        carry = "carries" if len(tags) == 1 else "carry"
        codes = ", ".join(map(str, sorted(set(tags))))
        yield (
            f"{len(tags)} of {of} {carry} an EXIF orientation ({codes}), which is not applied, as in torchvision's "
            f"ImageFolder."
        )
    if transparent:
        are = "is" if transparent == 1 else "are"
        yield f"{transparent} of {of} {are} transparent in part: the alpha channel is dropped, the colours stay."
