"""Files that hold many images each, tar archives and tables: find those that a user names, here or at a URL."""

from __future__ import annotations

import dataclasses
import glob
import itertools
import logging
import os
import time
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.file_hashes import FileStatus
from pytest_robustness.core.files import open_regular
from pytest_robustness.core.text import decoded
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.braces import expanded
from pytest_robustness.data.files.class_folders import is_hidden, shortened
from pytest_robustness.data.files.remote_files import below, listing
from pytest_robustness.data.files.splits import require_one_split
from pytest_robustness.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        return status if status.settled else None

    def opened(self, block: int = _BLOCK) -> BinaryIO:
        """Open it for reading; over a network, ``block`` bytes arrive at a time.

        Raises
        ------
        DataError
            It is not there, is no regular file, or cannot be reached.
        """
        path = self.path
        if path is None:
            file: BinaryIO = storage.asked(
                self.text, lambda where: where.system.open(where.path, "rb", block_size=block, cache_type="readahead")
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
        """Return its content as text; ``None`` where there is no such file."""
        try:
            with self.opened() as file:
                return file.read().decode("utf-8", "replace")
        except (DataError, OSError):
            _log.debug("%s is not there", self.text, exc_info=True)
            return None


def find(scheme: str, argument: str, endings: Sequence[str], what: str) -> list[Container]:
    """Return the files that ``argument`` names, sorted where they are listed.

    Parameters
    ----------
    scheme
        What the user wrote before it.
    argument
        A path or URL of a file or folder, or a pattern of either: with braces, or with ``*``.
    endings
        Of files in a folder, those whose names end so count.
    what
        What such a file is called in messages.

    Raises
    ------
    DataError
        There is none, the place cannot be read, or a folder or a ``*`` mixes splits. What braces list is meant so.
    OptionError
        The braces are not balanced.
    """
    local = storage.local_path(argument)
    patterns = [argument] if local is not None and local.exists() else expanded(argument)
    groups = [_matching(pattern, endings) for pattern in patterns]
    found = [container for group in groups for container in group]
    if not found:
        raise DataError(f"{decoded(argument)} holds no {what}. Valid: a file or folder of {', '.join(endings)}.")
    missing = [one.shown for one in found if one.path is not None and not one.path.exists()]
    if missing:
        count = f"{len(missing)} of {len(found)} files do not exist: {shortened(missing)}"
        gone = f"{missing[0]} does not exist" if len(found) == 1 else count
        raise DataError(f"{gone}. Valid: a {what}, a pattern of several, or a folder of them.")
    for group in groups:
        if len(group) > 1:
            _require_one_split(scheme, [container.text for container in group])
    return found


def _require_one_split(scheme: str, texts: Sequence[str]) -> None:
    paths = [text.split("/") for text in texts]
    shared = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*(path[:-1] for path in paths), strict=False))
    root = [parts[0] for parts in shared]
    require_one_split(scheme, decoded("/".join(root)), [decoded("/".join(path[len(root) :])) for path in paths])


def _matching(pattern: str, endings: Sequence[str]) -> list[Container]:
    path = storage.local_path(pattern)
    if path is None:
        return _remote(pattern, endings)
    if path.is_dir():
        return [Container(name) for name in _in_folder(path, endings)]
    if not path.exists() and glob.has_magic(str(path)):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 (a Path globs below a folder alone)
        return [Container(name) for name in sorted(names)]
    return [Container(str(path))]


def _in_folder(folder: Path, endings: Sequence[str]) -> list[str]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        names = sorted(name for name in files if name.endswith(tuple(endings)) and not is_hidden(name))
        found += [os.path.join(parent, name) for name in names]  # noqa: PTH118 (as walk gives it)
    return found


def _remote(pattern: str, endings: Sequence[str]) -> list[Container]:
    if "*" in pattern:
        unstrip = storage.locate(pattern).system.unstrip_protocol
        paths = storage.asked(pattern, lambda where: sorted(where.system.glob(where.path)))
        if "::" in pattern:
            raise DataError(f"{decoded(pattern)} has a * within an archive. Name the files, or use braces.")
        return [Container(unstrip(path)) for path in paths]
    if pattern.endswith(tuple(endings)) or pattern.startswith(("http://", "https://")):
        return [Container(pattern)]
    names = sorted(name for name in listing(pattern) if name.endswith(tuple(endings)))
    return [Container(below(pattern, name)) for name in names if not any(map(is_hidden, name.split("/")))]
