"""Know images that are copies of others: tests and intervals take images for independent, and labels for right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.core.text import counted, grouped
from pytest_robustness.data.identity import UNREADABLE, as_array
from pytest_robustness.inference.store.distinct_images import DistinctImages, among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.inference.image_names import ImageNames

_FEW: Final = 0.01
"""The share of copies that hardly matters to an accuracy: no warning speaks of it."""
_EXAMPLES: Final = 3


def copies_warning(distinct: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return a sentence where more than 1 % of the images are copies, and not ``distinct`` (bool [N]); else nothing."""
    images, kept = len(distinct), int(np.count_nonzero(distinct))
    if images - kept <= _FEW * images:
        return ()
    text = (
        f"{counted(images, 'image')}, {kept:,} distinct: the others are copies. Tests and intervals of models and "
        f"classes count each image once, accuracies count all. Keep each image once."
    )
    return (text,)


def several_classes_warning(
    identities: NDArray[np.void], labels: NDArray[np.int64], class_names: Sequence[str], names: ImageNames
) -> tuple[str, ...]:
    """Return how many images stand in several classes, in sentences that name the first of them; else nothing.

    Parameters
    ----------
    identities
        The hashes of the images' content: V16 [N]. Those that could not be hashed are no copies of one another.
    labels
        Their classes: int64 [N].
    class_names
        The names of the classes.
    names
        Names the images; it is asked for no others than those that are shown.
    """
    known = np.flatnonzero(~among(identities, as_array([UNREADABLE])))
    images = DistinctImages(identities[known], None)
    lowest = np.full(images.count, np.iinfo(np.int64).max)
    highest = np.full(images.count, -1, np.int64)
    np.minimum.at(lowest, images.at_position, labels[known])
    np.maximum.at(highest, images.at_position, labels[known])
    several = np.flatnonzero(lowest < highest)
    if not len(several):
        return ()
    copies = int(np.isin(images.at_position, several).sum())
    stand, them = ("stands", "its labels") if len(several) == 1 else ("stand", "the labels of each")
    shown = [known[images.at_position == number] for number in several[:_EXAMPLES]]
    examples = [_example(positions, labels, class_names, names) for positions in shown]
    if len(several) > _EXAMPLES:
        examples.append(f"and {grouped(len(several) - _EXAMPLES)} more")
    text = (
        f"{counted(len(several), 'image')} {stand} in several classes, {grouped(copies)} times in all: at most one of "
        f"{them} is right, and what one copy loses the other may gain, so that a loss may not show. "
        f"{'; '.join(examples)}. Keep each image in the one class that it shows."
    )
    return (text,)


def _example(
    positions: NDArray[np.int64], labels: NDArray[np.int64], class_names: Sequence[str], names: ImageNames
) -> str:
    """Return the first copy of an image in each of its classes, up to three, with the class."""
    _, first = np.unique(labels[positions], return_index=True)
    shown = positions[np.sort(first)][:_EXAMPLES]
    files = names.of(shown, len(labels))
    classes = [class_names[labels[position]] for position in shown]
    return ", ".join(f"{file} ({label})" if file else label for file, label in zip(files, classes, strict=True))
