"""Last words: what user code a process runs, kept in a small file, so that its death can be explained afterwards.

A segmentation fault in a model takes the process with it, without a word. The file lies next to the store, one for each
process. It is removed at an orderly end; one whose process is gone names what may be to blame.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import uuid
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

# A record is padded to this length, so that one write replaces another.
_LENGTH = 1024


class LastWords(NamedTuple):
    """What a process that is gone was running: ``model`` (empty if it was none), ``what`` in words, and its run."""

    model: str
    what: str
    run: str


class Diary:
    """The file of this process; written when first needed.

    Parameters
    ----------
    folder
        Holds the files of all processes that share a store.
    run
        Identifies the run, which several processes may share.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.folder = folder
        self.run = run
        self._path = folder / f"{uuid.uuid4().hex[:12]}.json"
        self._lock = FileLock(self._path.with_suffix(".lock"))
        self._file: int | None = None
        self._last: tuple[str, str] | None = None

    def write(self, model: str, what: str) -> None:
        """Note that this process is about to run ``what``, code of ``model``; what was noted before is replaced."""
        if self._last == (model, what):
            return
        try:
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(timeout=0)  # held until the process ends, however it does
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            record = json.dumps([model[:200], what[:200], self.run[:100]]).encode()
            # The operating system keeps what is written when the process dies; nothing needs to reach the disk.
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, record.ljust(_LENGTH)[:_LENGTH])
            self._last = (model, what)
        except OSError:  # a full disk is no reason to stop: only an explanation may be missing
            _log.debug("%s cannot be written", self._path, exc_info=True)

    def close(self) -> None:
        """Remove the file: the process ends in order."""
        self._last = None
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = None
        _remove(self._path)
        self._lock.release()
        _remove(self._path.with_suffix(".lock"))
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # unless other processes have theirs


def of_run(folder: Path, run: str) -> list[LastWords]:
    """Return what processes of ``run`` were running that are gone; their files stay, for its other processes."""
    return [words for _, words in _left(folder) if words.run == run and words.what]


def of_earlier_runs(folder: Path, run: str) -> list[LastWords]:
    """Return what processes of other runs than ``run`` were running that are gone, and remove their files."""
    words = []
    for path, written in _left(folder):
        if written.run != run:
            _remove(path)
            _remove(path.with_suffix(".lock"))
            words += [written] if written.what else []
    with contextlib.suppress(OSError):
        folder.rmdir()  # unless other processes have their files there
    return words


def _left(folder: Path) -> Iterator[tuple[Path, LastWords]]:
    """Yield the files of processes that are gone, each while it is locked."""
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue  # its process is alive
        try:
            yield path, _read(path)
        finally:
            lock.release()


def _read(path: Path) -> LastWords:
    try:
        model, what, run = json.loads(path.read_bytes())
        return LastWords(str(model), str(what), str(run))
    except (OSError, ValueError, TypeError, RecursionError):
        _log.debug("%s holds no last words", path, exc_info=True)
        return LastWords("", "", "")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
