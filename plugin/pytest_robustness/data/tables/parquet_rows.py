"""Images that are rows of Parquet files."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import decoded
from pytest_robustness.data.decoding.kinds import PARQUET, instead
from pytest_robustness.data.encoded import EncodedImages
from pytest_robustness.data.faults import reason_of, without_ranges
from pytest_robustness.data.files.containers import Container
from pytest_robustness.data.files.storage import refused
from pytest_robustness.data.tables import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes, FileStatus

_log = logging.getLogger(__name__)
_BATCH: Final = 16
"""Rows that are held at a time, besides the page that they lie in: a row group may have a hundred thousand."""
_BUFFER: Final = 1 << 20


@dataclasses.dataclass(frozen=True, eq=False)
class ParquetRows(EncodedImages):
    """`EncodedImages` in the column ``image`` of Parquet files.

    ``starts`` has the index of the first image of each file of ``texts``, and the number of all: int64 [files + 1].
    ``names`` are the paths that the table has, bytes [N], empty where it has none, and ``keys`` what names each image
    within its class, bytes [N].

    What follows serves `digests` alone, and is not sent to other processes: the status of each file, and of each image
    whether its bytes are ``apart``, in the file of its own that its path names, or whether one is ``unsure`` of that:
    bool [N].
    """

    texts: tuple[str, ...]
    starts: NDArray[np.int64]
    image: str
    names: NDArray[np.bytes_]
    keys: NDArray[np.bytes_]
    statuses: tuple[FileStatus | None, ...] = ()
    apart: NDArray[np.bool_] | None = None
    unsure: NDArray[np.bool_] | None = None

    @property
    def in_memory(self) -> bool:
        """Whether no other process can read the files."""
        return Container(self.texts[0]).in_memory

    def content(self, index: int) -> bytes:
        """Return the bytes of the image."""
        file, row = self._place(index)
        try:
            cell = _reader(self.texts[file], self.image, os.getpid()).cell(row)
        except DataError as error:
            raise OSError(str(error)) from error
        return cells.content_of(cell)

    def describe(self, index: int) -> str:
        """Return the file with the number of the row, and the path that the table has."""
        file, row = self._place(index)
        name = decoded(os.fsdecode(self.names[index]))
        return f"{decoded(self.texts[file])}[{row}]" + (f"/{name}" if name else "")

    def key(self, index: int) -> str:
        """Return the path that the table has, below the folder of the class; the number of the image without one."""
        return decoded(os.fsdecode(self.keys[index]))

    def digests(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hash of each image, or why it cannot be read."""
        if self.apart is None:
            return self._of_rows(indices, hashes)
        return cells.digests(indices, self.apart, self.names, hashes, lambda own: self._of_rows(own, hashes))

    def _of_rows(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hashes of images whose bytes are in the table, which has a status of its own, or may not be."""
        places, versions = [], []
        column = quote(self.image, safe="")
        for index in indices:
            file, row = self._place(int(index))
            places.append(os.fsencode(f"{self.texts[file]}#{column}/{row}"))
            known = self.unsure is not None and not self.unsure[index]
            versions.append(self.statuses[file] if known else None)
        return hashes.remembered(places, versions, lambda item: self.content(int(indices[item])))

    def _place(self, index: int) -> tuple[int, int]:
        file = int(self.starts.searchsorted(index, side="right")) - 1
        return file, int(index - self.starts[file])

    def __reduce__(self) -> tuple[Callable[..., ParquetRows], tuple[object, ...]]:
        return ParquetRows, (self.texts, self.starts, self.image, self.names, self.keys)


def forget_readers() -> None:
    """Close what this process has read from: a table may be written again between two runs of one process."""
    _reader.cache_clear()


def open_table(container: Container) -> Any:
    """Open a Parquet file of pyarrow's.

    Raises
    ------
    DataError
        It is damaged, cut off, or no Parquet file at all; or it cannot be reached.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = container.path
    try:
        if path is not None:
            container.opened().close()  # it is a regular file, and pyarrow closes its own
        return pq.ParquetFile(path or container.opened(), pre_buffer=False, buffer_size=_BUFFER)
    except (pa.ArrowException, OSError, ValueError) as error:
        _log.debug("%s cannot be opened", container.text, exc_info=True)
        raise damaged(container, error) from error


def damaged(container: Container, error: Exception) -> DataError:
    """Return the error for a file that pyarrow cannot read, or whose server sends no parts of it."""
    if without_ranges(error):
        return refused(container.text, error)
    if kind := instead(container.text, container.opened, PARQUET, "fetch it again"):
        return DataError(f"{container.shown} is no Parquet file, but {decoded(kind)}.")
    reason = " ".join(reason_of(error).split())[:300]
    return DataError(f"{container.shown} is no whole Parquet file: {reason.rstrip('.')}. Fetch it again.")


@functools.lru_cache(4)
def _reader(text: str, image: str, process: int) -> _Reader:  # noqa: ARG001 (a forked process opens files itself)
    return _Reader(Container(text), image)


class _Reader:
    """Reads rows of one file, a few at a time, in whatever order; in rising order each is read once."""

    def __init__(self, container: Container, image: str) -> None:
        import numpy as np

        self._container, self._image = container, image
        self._table = open_table(container)
        metadata = self._table.metadata
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(groups, dtype=np.int64)])
        self._lock = threading.Lock()
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._group = -1
        self._first = 0
        self._batch: Any = ()

    def cell(self, row: int) -> Any:
        """Return the value in a row.

        Raises
        ------
        DataError
            The file is damaged.
        """
        import pyarrow as pa

        with self._lock:
            try:
                self._go_to(row)
                return self._batch[row - self._first].as_py()
            except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
                self._group = -1
                _log.debug("row %s of %s cannot be read", row, self._container.text, exc_info=True)
                raise damaged(self._container, error) from error

    def _go_to(self, row: int) -> None:
        group = int(self._starts.searchsorted(row, side="right")) - 1
        if group != self._group or row < self._first:
            self._group, self._first, self._batch = group, int(self._starts[group]), ()
            self._batches = self._table.iter_batches(
                _BATCH, row_groups=[group], columns=[self._image], use_threads=False
            )
        while row >= self._first + len(self._batch):
            self._first += len(self._batch)
            self._batch = next(self._batches).column(0)
