"""Name the images of a run, for reports."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import RobustnessError, cause
from pytest_robustness.core.text import LONGEST_TEXT, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource

_log = logging.getLogger(__name__)


class ImageNames:
    """Gives the index and the name of each image of a run; the data is opened when the first is asked for.

    Parameters
    ----------
    open_images
        Returns the source of the images and the indices of those chosen (int64 [N]); raises `DataError` where they are
        no longer there.
    """

    def __init__(self, open_images: Callable[[], tuple[DataSource, NDArray[np.int64]]]) -> None:
        self._open_images = open_images
        self.note = ""
        """Why names that were asked for are missing; empty where none is."""

    def indices(self, images: int) -> NDArray[np.int64] | None:
        """Return the index of each of ``images`` images in the dataset: int64 [N]; ``None`` where it is gone."""
        if self._opened is None:
            return None
        indices = self._opened[1]
        if len(indices) != images:
            self.note = f"the data has changed: {len(indices):,} images would be chosen now, not {images:,}"
            return None
        return indices

    def of(self, positions: NDArray[np.int64], images: int) -> list[str]:
        """Return the path, or another name, of the images at ``positions`` of the ``images`` chosen; empty if gone."""
        indices = self.indices(images)
        if indices is None or self._opened is None:
            return [""] * len(positions)
        describe = self._opened[0].describe
        try:
            return [printable(describe(int(index)), LONGEST_TEXT) for index in indices[positions]]
        except Exception as error:  # a user's source may raise anything, and the answers stand without names
            _log.debug("images have no names", exc_info=True)
            self.note = f"the data does not name its images: {cause(error)}"
            return [""] * len(positions)

    @cached_property
    def _opened(self) -> tuple[DataSource, NDArray[np.int64]] | None:
        try:
            return self._open_images()
        except RobustnessError as error:
            _log.debug("the data cannot be opened again", exc_info=True)
            self.note = f"the data could not be opened again: {error}"
            return None
