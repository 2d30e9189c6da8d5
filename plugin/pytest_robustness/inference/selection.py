"""Choose the images of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness import data
from pytest_robustness.core import Selection
from pytest_robustness.errors import DataError

if TYPE_CHECKING:
    from pytest_robustness.core.file_hashes import FileHashes


def select(spec: str, *, limit: int | None, seed: int, download: bool, hashes: FileHashes) -> Selection:
    """Open the data and choose at most ``limit`` images per class; ``hashes`` reads the files.

    Raises
    ------
    DataError
        When the data cannot be opened, or holds no image.
    """
    source = data.open_source(spec, download=download)
    indices = data.select(source, limit, seed)
    if not len(indices):
        raise DataError(f"{source.name} holds no image.")
    return Selection(source, indices, source.labels[indices], data.identities(source, indices, hashes))
