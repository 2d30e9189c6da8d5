"""Say what a user should know about the data: the source's own notes, and images that could be meant in another way.

An image is read in one way where it has a trait, an EXIF orientation or transparency, that could mean another.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.core.text import printable
from pytest_robustness.data.decoding.headers import UPRIGHT, header_traits
from pytest_robustness.data.encoded import EncodedSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource

_MOST: Final = 500
"""So many headers are read in about a tenth of a second; of more images, so many are drawn."""
_LONGEST_NOTE: Final = 2_000
# Images of 16 bits are dark where none of so many has a pixel above this: two or more of their bits are not used.
_DECODED: Final = 8
_DARK: Final = 64


def data_notes(source: DataSource, indices: NDArray[np.int64]) -> tuple[str, ...]:
    """Return sentences on what a user should know about the images at ``indices`` (int64 [n]).

    Those of the source (``source.notes``, if it has any), in which names of files may be hostile, then the number of
    images with a trait; where there are more than 500, of as many drawn at random.
    """
    notes = [printable(str(note), _LONGEST_NOTE) for note in getattr(source, "notes", ())]
    return (*notes, *_traits(source, indices)) if isinstance(source, EncodedSource) else tuple(notes)


def _traits(source: EncodedSource, indices: NDArray[np.int64]) -> Iterator[str]:
    keys = np.random.PCG64(len(indices)).random_raw(len(indices))
    chosen = indices[np.argsort(keys, kind="stable")[:_MOST]]
    found = source.in_headers(chosen, header_traits)
    of = f"{len(chosen)} images" if len(chosen) == len(indices) else f"{len(chosen)} images looked at"
    tags = [one.orientation for one in found if one.orientation != UPRIGHT]
    deep = [int(index) for index, one in zip(chosen, found, strict=True) if one.deep]
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
    bands = sum(one.dropped_bands > 0 for one in found)
    if bands:
        have = "has" if bands == 1 else "have"
        yield f"{bands} of {of} {have} channels besides red, green and blue (near infrared, say), which are dropped."
    frames = sum(one.more_frames for one in found)
    if frames:
        have = "has" if frames == 1 else "have"
        yield f"{frames} of {of} {have} several frames or pages, of which the first alone is read."
    yield from _dark(source, deep[:_DECODED])


def _dark(source: EncodedSource, deep: Sequence[int]) -> Iterator[str]:
    """Yield a note where images of 16 bits, those at ``deep``, use the lower ones alone."""
    brightest = []
    for index in deep:
        with contextlib.suppress(BadImageError):  # it is reported when it is judged
            brightest.append(int(source.read(index).max()))
    most = max(brightest, default=0)
    if 0 < most <= _DARK:
        used = 16 - int(math.log2(256 / most))
        yield (
            f"Images of 16 bits come out dark: none of {len(brightest)} decoded has a pixel above {most} of 255. "
            f"If only {used} of their bits are used, multiply their values by {2 ** (16 - used)}."
        )
