"""How many images of each class two runs share: of the others, a comparison of the two says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers.images import Overlap


class SharedClasses(NamedTuple):
    """The classes of two runs, or of a baseline and a run.

    ``names`` are those of the first, ``images`` (int64 [C]) how many distinct ones each has there, and ``compared``
    (int64 [C]) how many of these the second has too. ``new`` are the classes of which the first has no image.
    """

    names: tuple[str, ...]
    images: NDArray[np.int64]
    compared: NDArray[np.int64]
    new: tuple[str, ...]

    def left_out(self, fewest: int) -> list[str]:
        """Return the classes of which no image is compared, or fewer than ``fewest`` though the first run has more."""
        none, few = self.compared == 0, (self.compared < fewest) & (self.images >= fewest)
        chosen = np.flatnonzero((self.images > 0) & (none | few))
        return [f"{self.names[i]} ({self.compared[i]:,} of {self.images[i]:,} images)" for i in chosen]


def shared_classes(overlap: Overlap) -> SharedClasses:
    """Count the images of ``overlap`` by class, copies once."""
    before, now = overlap.before, overlap.now
    # The code of an image of the first run modulo this is its class.
    width = len(before.classes) + 1
    images = np.bincount(np.unique(overlap.codes[0]) % width, minlength=width - 1)
    compared = np.bincount(now.labels[overlap.compared], minlength=len(now.classes))
    of_run = overlap.run_classes
    known = np.append(images > 0, np.False_)[overlap.class_positions]
    has_images = np.bincount(now.labels, minlength=len(now.classes)) > 0
    return SharedClasses(
        tuple(label.name for label in before.classes),
        images,
        np.where(of_run < 0, 0, compared[of_run]),
        tuple(now.classes[i].name for i in np.flatnonzero(has_images & ~known)),
    )
