"""Images that are rows of a data set of Hugging Face."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.file_hashes import FileStatus
from pytest_robustness.core.text import decoded
from pytest_robustness.data.encoded import EncodedImages, EncodedSource
from pytest_robustness.data.files.image_files import class_of, notes_of
from pytest_robustness.data.tables import cells
from pytest_robustness.data.tables.columns import columns_of, keys_of, labels_of
from pytest_robustness.data.tables.hf_loading import load, parquet_files
from pytest_robustness.data.tables.labels import FileLabels, joined, require_one_naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.data.tables.columns import Columns


@dataclasses.dataclass(frozen=True, eq=False)
class DatasetRows(EncodedImages):
    """`EncodedImages` in the one column of a ``datasets.Dataset``, which holds its files open in no other process.

    Of each image: ``names`` its path, bytes [N], empty where there is none; ``keys`` what names it within its class,
    bytes [N]; ``apart`` whether its bytes are in the file of this path, and not in the data set, bool [N].
    """

    name: str
    dataset: Any
    image: str
    names: NDArray[np.bytes_]
    keys: NDArray[np.bytes_]
    apart: NDArray[np.bool_]

    @property
    def in_memory(self) -> bool:
        """Return False: other processes open the files of the data set themselves."""
        return False

    def content(self, index: int) -> bytes:
        """Return the bytes of the image."""
        return cells.content_of(self.dataset[int(index)][self.image])

    def describe(self, index: int) -> str:
        """Return the path of the image's own file, or the data set with the number of the row and the path there."""
        name = decoded(os.fsdecode(self.names[index]))
        return name if self.apart[index] else f"{self.name}[{index}]" + (f"/{name}" if name else "")

    def key(self, index: int) -> str:
        """Return the image's path below the folder of its class, or its number where it has none."""
        return decoded(os.fsdecode(self.keys[index]))

    def digests(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hash of each image, or why it cannot be read."""
        place = f"hf/{self.dataset._fingerprint}/{self.image.replace('/', '%2F')}"
        status = _status(self.dataset)
        return cells.digests(
            indices,
            self.apart,
            self.names,
            hashes,
            lambda own: hashes.remembered(
                [f"{place}/{index}".encode() for index in own],
                [status] * len(own),
                lambda item: self.content(int(own[item])),
            ),
        )


def source_of(
    spec: str, name: str, split: str, options: Mapping[str, str], *, labelled: bool, download: bool
) -> EncodedSource:
    """Return the images of one split; see `load` and `columns_of` for the errors."""
    import numpy as np

    # A data set may be saved with a format: torch's tensors, some of its columns alone.
    dataset = load(spec, name, split, options, download=download).with_format(None)
    import datasets

    shown = decoded(spec)
    wanted = {option: column for option, column in options.items() if option in ("image", "label")}
    spelling = shown.partition("#")[0]
    columns = columns_of(dataset.features.arrow_schema, wanted, shown, spelling, labelled=labelled)
    if not len(dataset):
        raise DataError(f"{shown} holds no image: it has no rows.")
    if columns.label:
        require_one_naming(parquet_files(name, options), columns.label)
    only_image = dataset.select_columns([columns.image])
    if isinstance(dataset.features[columns.image], datasets.Image):
        only_image = only_image.cast_column(columns.image, datasets.Image(decode=False))
    paths, apart = _paths(only_image, columns)
    names = np.asarray([os.fsencode(path or "") for path in paths])
    images = DatasetRows(shown, only_image, columns.image, names, names, np.array(apart, np.bool_))
    if labelled:
        values = dataset.select_columns([columns.label]).with_format("arrow")[:].column(0)
        whole = joined(columns.label or "", [FileLabels(shown, columns.names, values)]).values
        found = labels_of(columns, whole, shown, images.describe)
        classes, labels, notes = found.classes, found.labels, notes_of(found)
    else:
        found, notes = None, ()
        classes, labels = (class_of(split or str(dataset.split or "")),), np.zeros(len(dataset), np.int64)
    keys = np.asarray([os.fsencode(key) for key in keys_of(paths, found)])
    return EncodedSource(shown, classes, labels, dataclasses.replace(images, keys=keys), (*columns.note(shown), *notes))


def _paths(dataset: Any, columns: Columns) -> tuple[list[str | None], list[bool]]:
    """Return the path of each image, and whether its bytes are in that file alone; no image is read."""
    if not columns.nested:
        return [None] * len(dataset), [False] * len(dataset)
    paths: list[str | None] = []
    apart: list[bool] = []
    for table in dataset.with_format("arrow").iter(1000):
        for chunk in table.column(0).chunks:
            found = chunk.field("path").to_pylist() if columns.has_path else [None] * len(chunk)
            absent = chunk.field("bytes").is_null().to_pylist()
            paths += found
            apart += [no and bool(path) and cells.local_file(path) is not None
                      for no, path in zip(absent, found, strict=True)]  # fmt: skip
    return paths, apart


def _status(dataset: Any) -> FileStatus | None:
    """Return what changes when a file of the data set does; ``None`` where it has none, or one has just changed."""
    try:
        statuses = [FileStatus.of(Path(file["filename"]).stat()) for file in dataset.cache_files]
    except OSError:
        return None
    if not statuses or not all(status.lasting for status in statuses):
        return None
    return FileStatus.of_version(sum(status.size for status in statuses), repr(statuses))
