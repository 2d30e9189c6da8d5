"""Choose the images of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness import data
from pytest_robustness.core import UNLABELLED, Selection
from pytest_robustness.core.errors import DataError

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource
    from pytest_robustness.core.file_hashes import FileHashes


def select(
    spec: str,
    *,
    limit: int | None,
    seed: int,
    download: bool,
    hashes: FileHashes,
    labelled: bool = True,
    given: DataSource | None = None,
    most: int | None = None,
) -> Selection:
    """Open the data, unless it is ``given``, and choose at most ``limit`` images per class; ``hashes`` reads the files.

    With ``most``, at most so many are chosen in all: as many of each class, or as many classes.

    Where the run goes without labels (not ``labelled``), the same images are chosen, and their labels are left out.

    Raises
    ------
    DataError
        When the data cannot be opened, or holds no image.
    """
    source = given or data.open_source(spec, download=download, labelled=labelled)
    if most is not None:
        of_each = max(1, most // max(1, len(np.unique(source.labels))))
        limit = of_each if limit is None else min(limit, of_each)
    indices = data.select(source, limit, seed)
    if not len(indices):
        raise DataError(f"{source.name} holds no image.")
    if most is not None and len(indices) > most:
        indices = np.sort(np.random.default_rng(seed).permutation(indices)[:most])
    labels = source.labels[indices] if labelled else np.full(len(indices), UNLABELLED, np.int64)
    return Selection(source, indices, labels, data.identities(source, indices, hashes))
