"""The images of a run that cannot be read: reported once, and remembered where their content is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.data.decoding.formats import decoder
from pytest_robustness.data.identity import UNREADABLE, as_array
from pytest_robustness.inference.store.distinct_images import among

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from pytest_robustness.core import Selection
    from pytest_robustness.inference.store.store import Store


class UnreadableImages:
    """Knows which images of a run cannot be read.

    A file whose bytes are no image is remembered by its content and the version of the decoder. A fault of the moment
    (memory, a network drive) is a fault of this run alone: the next one reads the image again.

    ``readable`` says which images can be read as far as is known: bool [N].

    Parameters
    ----------
    selection
        The images of the run.
    store
        Remembers unreadable content.
    on_bad_image
        Whether such an image is an error, or left out with a note.
    note
        Receives the note.
    """

    def __init__(
        self, selection: Selection, store: Store, on_bad_image: Literal["error", "skip"], note: Callable[[str], None]
    ) -> None:
        self.readable: NDArray[np.bool_] = np.ones(len(selection.indices), np.bool_)
        self._selection = selection
        self._store = store
        self._on_bad_image = on_bad_image
        self._note = note
        self._decoder = decoder()

    @property
    def positions(self) -> NDArray[np.int64]:
        """The positions of the images that cannot be read: int64 [n]."""
        return np.flatnonzero(~self.readable)

    def find(self) -> None:
        """Find the images that are known to be unreadable before any is decoded.

        Raises
        ------
        DataError
            For the first of them, unless they are to be left out.
        """
        reasons, identities = self._reasons(), self._selection.identities
        found = {}
        for position in np.flatnonzero(self.known()).tolist():
            reason = reasons.get(identities[position].tobytes())
            found[position] = (
                self._reason_now(position) if reason is None else BadImageError(self._describe(position), reason)
            )
        self.add(found)

    def known(self) -> NDArray[np.bool_]:
        """Return which images are known to be unreadable, without a word about them: bool [N]."""
        return among(self._selection.identities, as_array({UNREADABLE, *self._reasons()}))

    def _reasons(self) -> dict[bytes, str]:
        return self._store.unreadable(self._decoder) if self._on_bad_image == "skip" else {}

    def add(self, errors: Mapping[int, BadImageError]) -> None:
        """Add images that could not be read, by position.

        Raises
        ------
        DataError
            For the first of them, unless they are to be left out.
        """
        for position, error in errors.items():
            if self._on_bad_image == "error":
                raise DataError(
                    f"{error}. Remove or replace it, or pass --robustness-on-bad-image=skip to leave such images out."
                ) from error
            self.readable[self._selection.identities == self._selection.identities[position]] = False
            self._note(f"skipped: {error}")
            identity = self._selection.identities[position].tobytes()
            if error.content and identity != UNREADABLE:
                self._store.put_unreadable(identity, self._decoder, error.reason)

    def _reason_now(self, position: int) -> BadImageError:
        """Return why an image without a known content cannot be read."""
        try:
            self._selection.source.read(int(self._selection.indices[position]))
        except BadImageError as error:
            return error
        return BadImageError(self._describe(position), "it could not be read when the run began. Run again")

    def _describe(self, position: int) -> str:
        return self._selection.source.describe(int(self._selection.indices[position]))
