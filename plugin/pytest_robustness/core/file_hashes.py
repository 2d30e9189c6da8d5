"""Hash files whole, and remember the hashes, so that a file that did not change is only asked for its status."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import struct
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.core.hash_memory import DIGEST_BYTES, HashMemory, Known
from pytest_robustness.core.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_CHUNK: Final = 1 << 20
# A file may change again within one tick of a coarse clock, with the same size: one as young as this is not remembered.
_SETTLED_NANOSECONDS: Final = 2_000_000_000
# Windows has no time of change: st_ctime is when a file was created, and what unpacks an archive sets the other time.
_CHANGES_SHOW: Final = sys.platform != "win32"
_MANY: Final = 20_000
_NOTE_SECONDS: Final = 15.0
# What a killed process loses of its reading, which may take hours from another machine.
_KEEP_SECONDS: Final = 60.0
_VERSION: Final = struct.Struct("<qqQ")


def content_digest(data: bytes) -> bytes:
    """Return the hash by which `FileHashes` knows a content: the first 16 bytes of its SHA-256."""
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]


class FileStatus(NamedTuple):
    """What tells one content of a file from another without reading it; ``changed`` is when its inode changed."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStatus:
        """Return the status of a local file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @classmethod
    def of_version(cls, size: int, version: str) -> FileStatus:
        """Return the status of an object that its storage names a version of: an ETag, a checksum, a time."""
        return cls(size, *_VERSION.unpack(hashlib.sha256(version.encode()).digest()[: _VERSION.size]))

    @property
    def settled(self) -> bool:
        """Whether a local file has been left alone for so long that a later change shows in its times."""
        return time.time_ns() - max(self.modified, self.changed) > _SETTLED_NANOSECONDS

    @property
    def lasting(self) -> bool:
        """Whether later runs may go by the status of a local file: it is settled, and the system notes each change."""
        return _CHANGES_SHOW and self.settled


_Answer = tuple[FileStatus, bytes, bool] | OSError
_NO_STATUS: Final = FileStatus(0, 0, 0, 0)


class FileHashes:
    """Hashes files: the first 16 bytes of the SHA-256 of their whole content.

    A hash is remembered with the file's path, size, times and inode, and serves as long as these are the same. Where
    the memory cannot be read or written, every file is read; on Windows, whose files have no time of change, every
    local file is, once for each of these objects.

    Parameters
    ----------
    memory
        A SQLite file of its own, created if absent; several processes may share it. ``None`` remembers nothing beyond
        this object.

    Attributes
    ----------
    note
        Receives a sentence where many files have to be read, and then how many were, several times a minute.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self.note: Callable[[str], None] = lambda _: None
        self._memory = HashMemory(memory)
        self._folders: dict[bytes, Known] = {}

    def digest(self, path: Path) -> bytes:
        """Return the hash of a file.

        Raises
        ------
        OSError
            It cannot be read, or is no regular file: a pipe or a device may never end.
        """
        found = self.digests(path.parent, [os.fsencode(path.name)])[0]
        if isinstance(found, OSError):
            raise found
        return found

    def digests(self, root: Path, names: Sequence[bytes]) -> list[bytes | OSError]:
        """Return the hash of each file below ``root``, or the error that kept it from being read.

        Parameters
        ----------
        root
            The folder that ``names`` start from.
        names
            Paths with forward slashes; files of one folder are best neighbours.
        """
        base = os.fsencode(root.absolute().as_posix()) + b"/"
        result: list[bytes | OSError] = [b""] * len(names)
        unknown: list[int] = []
        for position, name in enumerate(names):
            folder, _, file = (base + name).rpartition(b"/")
            try:
                status = os.stat(base + name)  # noqa: PTH116 (a million files: a Path each would cost seconds)
            except OSError as error:
                result[position] = error
                continue
            known = self._folder(folder, lasting=_CHANGES_SHOW).get(file)
            if known is not None and known[0] == FileStatus.of(status):
                result[position] = known[1]
            else:
                unknown.append(position)
        paths = [base + names[position] for position in unknown]
        cores = os.cpu_count() or 1
        self._read(paths, unknown, result, lambda item: _hash(paths[item]), cores, lasting=_CHANGES_SHOW)
        return result

    def remembered(
        self,
        places: Sequence[bytes],
        statuses: Sequence[FileStatus | None],
        read: Callable[[int], bytes],
        *,
        threads: int = 1,
    ) -> list[bytes | OSError]:
        """Return the hash of each image of an archive, a table or a storage, or the error that kept it from being read.

        Parameters
        ----------
        places
            What names each image: where it lies and, behind the last slash, its name or number there.
        statuses
            What changes when the content at each place does; ``None`` where nothing does: it is read each time.
        read
            Returns the content at a position of ``places``; raises `OSError`.
        threads
            How many contents are read at a time; 1 reads them in order.
        """
        result: list[bytes | OSError] = [b""] * len(places)
        unknown: list[int] = []
        for position, (place, status) in enumerate(zip(places, statuses, strict=True)):
            folder, _, name = place.rpartition(b"/")
            known = self._folder(folder).get(name) if status is not None else None
            if known is not None and known[0] == status:
                result[position] = known[1]
            else:
                unknown.append(position)

        def hashed(item: int) -> _Answer:
            status = statuses[unknown[item]]
            try:
                digest = content_digest(read(unknown[item]))
            except OSError as error:
                _log.debug("%s cannot be read", places[unknown[item]], exc_info=True)
                return error
            return status or _NO_STATUS, digest, status is not None

        self._read([places[position] for position in unknown], unknown, result, hashed, threads)
        return result

    def _read(
        self,
        places: Sequence[bytes],
        positions: Sequence[int],
        result: list[bytes | OSError],
        hashed: Callable[[int], _Answer],
        threads: int,
        *,
        lasting: bool = True,
    ) -> None:
        if not places:
            return
        changed: set[bytes] = set()
        said = kept = time.monotonic()
        if len(places) >= _MANY:
            self.note(f"reading {len(places):,} files to know them by their content; later runs read those that change")
        try:
            for done, (item, answer) in enumerate(in_threads(hashed, len(places), threads), 1):
                place, position = places[item], positions[item]
                if isinstance(answer, OSError):
                    result[position] = answer
                else:
                    status, result[position], settled = answer
                    folder, _, file = place.rpartition(b"/")
                    if settled:
                        self._folder(folder, lasting=lasting)[file] = status, answer[1]
                        changed.add(folder)
                if time.monotonic() - said > _NOTE_SECONDS:
                    said = time.monotonic()
                    self.note(f"read {done:,} of {len(places):,} files")
                if lasting and time.monotonic() - kept > _KEEP_SECONDS:
                    self._memory.remember({folder: self._folders[folder] for folder in changed})
                    changed, kept = set(), time.monotonic()
        finally:  # an interrupt loses none of these hashes, and does not wait for the files that are left
            if lasting:
                self._memory.remember({folder: self._folders[folder] for folder in changed})

    def _folder(self, folder: bytes, *, lasting: bool = True) -> Known:
        """Return what is known of a folder's files: in this object alone, unless it is ``lasting``."""
        if folder not in self._folders:
            self._folders[folder] = self._memory.recall(folder) if lasting else {}
        return self._folders[folder]


def _hash(path: bytes) -> _Answer:
    """Return status and hash of a file, and whether it has been left alone for long enough to be remembered."""
    try:
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return OSError(errno.EINVAL, "not a regular file", os.fsdecode(path))
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            after = os.fstat(descriptor)
    except OSError as error:
        return error
    status = FileStatus.of(after)
    return status, digest.digest()[:DIGEST_BYTES], FileStatus.of(before) == status and status.settled
