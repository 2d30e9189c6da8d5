"""The SQLite file in which hashes of files are remembered: one row a folder, with a checksum."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

DIGEST_BYTES: Final = 16
_BUSY_SECONDS: Final = 10.0
_RECORD: Final = struct.Struct(f"<qqqQ{DIGEST_BYTES}s")
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS folder (path BLOB PRIMARY KEY, names BLOB NOT NULL, records BLOB NOT NULL, "
    "checksum BLOB NOT NULL)"
)

Known = dict[bytes, tuple[tuple[int, int, int, int], bytes]]
"""By the name of a file: the numbers by which its content is told from another, and the hash of the content."""


class HashMemory:
    """Remembers what is known of folders; forgets it where the file cannot be read or written.

    Parameters
    ----------
    path
        The file, created if absent; several processes may share it. ``None`` remembers nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def recall(self, folder: bytes) -> Known:
        """Return what is remembered of a folder."""
        if self._path is None or not self._path.exists():
            return {}
        row = None
        with _forgiving(self._path), self._connection() as connection:
            row = connection.execute("SELECT names, records, checksum FROM folder WHERE path = ?", (folder,)).fetchone()
        if row is None or _checksum(folder, row[0], row[1]) != row[2]:
            return {}
        records = [(record[:4], record[4]) for record in _RECORD.iter_unpack(row[1])]
        return dict(zip(row[0].split(b"\0"), records, strict=True))

    def remember(self, folders: Mapping[bytes, Known]) -> None:
        """Write what is known of ``folders``, in place of what was."""
        if self._path is None or not folders:
            return
        rows = []
        for folder, known in folders.items():
            names = b"\0".join(known)
            records = b"".join(_RECORD.pack(*status, digest) for status, digest in known.values())
            rows.append((folder, names, records, _checksum(folder, names, records)))
        with _forgiving(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._connection() as connection:
                connection.execute(_SCHEMA)
                connection.executemany("INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?)", rows)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        import sqlite3  # here, because most runs that load the plugin hash nothing

        connection = sqlite3.connect(str(self._path), timeout=_BUSY_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


@contextlib.contextmanager
def _forgiving(path: Path) -> Iterator[None]:
    import sqlite3

    try:
        yield
    except (sqlite3.Error, OSError):
        _log.debug("the hashes of files in %s cannot be used", path, exc_info=True)


def _checksum(folder: bytes, names: bytes, records: bytes) -> bytes:
    return hashlib.sha256(b"\0".join([folder, names, records])).digest()[:8]
