"""Tell images apart by identity and target, in typed arrays: a million images take some tens of megabytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.data.identity import UNREADABLE, as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY = np.dtype([("image", "V16"), ("target", "<i4")])


class DistinctImages:
    """Numbers distinct images from 0, in the order in which they first occur.

    ``count`` is how many there are, ``at_position`` the number of each image (int64 [N]), and ``first`` the position at
    which each occurs first (int64 [count]).

    Parameters
    ----------
    identities
        The hashes of the images' content: V16 [N].
    targets
        What else tells images apart, a label or the output that stands for it (int64 [N]); ``None``: nothing.
    """

    def __init__(self, identities: NDArray[np.void], targets: NDArray[np.integer] | None) -> None:
        self._with_targets = targets is not None
        self._sorted, first, of_position = np.unique(_keys(identities, targets), return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        self._number = np.empty(len(order), np.int64)
        self._number[order] = np.arange(len(order))
        self.count = len(order)
        self.first: NDArray[np.int64] = first[order].astype(np.int64)
        self.at_position: NDArray[np.int64] = self._number[of_position.reshape(-1)]

    def numbers(self, identities: NDArray[np.void], targets: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the number of each image, -1 where it is none of these: int64 [n]; ``targets`` may not count."""
        keys = _keys(identities, targets if self._with_targets else None)
        if not self.count:
            return np.full(len(keys), -1, np.int64)
        places = np.minimum(np.searchsorted(self._sorted, keys), self.count - 1)
        return np.where(self._sorted[places] == keys, self._number[places], -1)


def among(identities: NDArray[np.void], wanted: NDArray[np.void]) -> NDArray[np.bool_]:
    """Return which of ``identities`` (V16 [N]) are among ``wanted`` (V16 [k]): bool [N]."""
    if not len(wanted):
        return np.zeros(len(identities), np.bool_)
    ordered = np.sort(wanted)
    found: NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, identities), len(ordered) - 1)] == identities
    return found


def first_of_copies(identities: NDArray[np.void], labels: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Return which images are the first of their copies: bool [N].

    Parameters
    ----------
    identities
        The hashes of the images' content: V16 [N]. Those that could not be hashed are no copies of one another.
    labels
        Their classes: int64 [N]. ``None`` where they have none. An image in two classes is no copy.
    """
    found = among(identities, as_array([UNREADABLE]))
    known = np.flatnonzero(~found)
    found[known[DistinctImages(identities[known], None if labels is None else labels[known]).first]] = True
    return found


def _keys(identities: NDArray[np.void], targets: NDArray[np.integer] | None) -> NDArray[np.void]:
    if targets is None:
        return np.ascontiguousarray(identities)
    keys = np.empty(len(identities), _KEY)
    keys["image"], keys["target"] = identities, targets
    plain: NDArray[np.void] = keys.view(f"V{_KEY.itemsize}")
    return plain
