"""Files that hold many images each, tar archives and tables, on this machine or at a URL."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.file_hashes import FileStatus
from pytest_robustness.core.files import open_regular
from pytest_robustness.core.text import decoded
from pytest_robustness.data.files import storage

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_log = logging.getLogger(__name__)
_BLOCK: Final = 8 << 20
"""Bytes that are asked for at a time where a whole file is read over a network."""


@dataclasses.dataclass(frozen=True)
class Container:
    """One file that holds images, by its absolute path or its URL; it holds nothing open."""

    text: str

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine; ``None`` where it has a URL."""
        return storage.local_path(self.text)

    @property
    def shown(self) -> str:
        """What names it in messages."""
        return decoded(self.text)

    @property
    def in_memory(self) -> bool:
        """Whether no other process can read it."""
        return storage.is_private(self.text)

    @property
    def at_a_time(self) -> int:
        """How many of its images to ask for at a time."""
        return 1 if self.path is not None else storage.locate(self.text).at_a_time

    def status(self) -> FileStatus | None:
        """Return what changes when its content does; ``None`` where nothing does, or it has just changed.

        Raises
        ------
        DataError
            It is not there, or cannot be reached.
        """
        path = self.path
        if path is None:
            info = storage.asked(self.text, lambda where: where.system.info(where.path))
            return storage.status_in(info, time.time())
        try:
            status = FileStatus.of(path.stat())
        except OSError as error:
            _log.debug("%s has no status", path, exc_info=True)
            raise DataError(f"{self.shown} cannot be read: {error.strerror}.") from error
        return status if status.lasting else None

    def opened(self) -> BinaryIO:
        """Open it for reading; over a network, `_BLOCK` bytes arrive at a time.

        Raises
        ------
        DataError
            It is not there, is no regular file, or cannot be reached.
        """
        path = self.path
        if path is None:
            file: BinaryIO = storage.asked(
                self.text, lambda where: where.system.open(where.path, "rb", block_size=_BLOCK, cache_type="readahead")
            )
            return file
        try:
            return open_regular(path)
        except OSError as error:
            _log.debug("%s cannot be opened", path, exc_info=True)
            raise DataError(f"{self.shown} cannot be read: {error.strerror}.") from error

    def part(self, start: int, size: int) -> bytes:
        """Return ``size`` bytes from ``start`` on; raise `OSError` where they cannot be read."""
        path = self.path
        if path is None:
            return storage.content(self.text, storage.locate(self.text).path, start, start + size)
        with open_regular(path) as file:
            file.seek(start)
            data = file.read(size)
        if len(data) < size:
            raise OSError(f"{self.shown} ends before it: it is cut off, or has changed")
        return data

    def beside(self, name: str) -> Container:
        """Return the file ``name`` in the same folder."""
        return Container(f"{self.text.rpartition('/')[0]}/{name}")

    def text_or_none(self) -> str | None:
        """Return its content as text, with what is no UTF-8 as escapes; ``None`` where there is no such file."""
        try:
            with self.opened() as file:
                return file.read().decode("utf-8", "backslashreplace")
        except (DataError, OSError):
            _log.debug("%s is not there", self.text, exc_info=True)
            return None
