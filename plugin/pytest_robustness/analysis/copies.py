"""Warn of images that are copies of others: tests and intervals take images for independent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.core.text import counted
from pytest_robustness.data.identity import UNREADABLE, as_array
from pytest_robustness.inference.store.distinct_images import DistinctImages, among

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEW: Final = 0.01
"""The share of copies that hardly narrows an interval: no warning speaks of it."""


def copies_warning(identities: NDArray[np.void], labels: NDArray[np.int64] | None) -> tuple[str, ...]:
    """Return how many images are distinct, in a sentence, where more than 1 % are copies; else nothing.

    Parameters
    ----------
    identities
        The hashes of the images' content: V16 [N]. Those that could not be hashed are no copies of one another.
    labels
        Their classes: int64 [N]. ``None`` where they have none. An image in two classes is no copy.
    """
    known = ~among(identities, as_array([UNREADABLE]))
    images = int(np.count_nonzero(known))
    distinct = DistinctImages(identities[known], None if labels is None else labels[known]).count
    if images - distinct <= _FEW * images:
        return ()
    text = (
        f"{counted(images, 'image')}, {distinct:,} distinct: the others are copies, and tests and intervals of "
        f"models and classes take them for independent, so that they claim more than is shown. Keep each image once."
    )
    return (text,)
