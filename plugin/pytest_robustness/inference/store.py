"""The store: predictions in one SQLite file, by cell and shard, under keys that are hashes of content."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_robustness.core import ClassLabel, EngineUsed, Predictions, Shard
from pytest_robustness.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
# The ASCII codes of "prob". They identify our files, so that no other SQLite file is ever written to.
_APPLICATION_ID = 0x70726F62
_SCHEMA = """
CREATE TABLE dataset (fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL, classes TEXT NOT NULL, labels BLOB NOT NULL);
CREATE TABLE cell (key TEXT PRIMARY KEY, dataset TEXT NOT NULL REFERENCES dataset, description TEXT NOT NULL);
CREATE TABLE shard (
    key TEXT NOT NULL REFERENCES cell, start INTEGER NOT NULL, stop INTEGER NOT NULL,
    predicted BLOB NOT NULL, confidence BLOB NOT NULL, true_probability BLOB NOT NULL, engine TEXT NOT NULL,
    PRIMARY KEY (key, start, stop)
);
"""
_DTYPES = Predictions(np.dtype("<i4"), np.dtype("<f4"), np.dtype("<f4"))  # type: ignore[arg-type]
_BUSY_SECONDS = 60.0


class Store:
    """Predictions by cell and shard; safe for several processes at once.

    Parameters
    ----------
    path
        The SQLite file; it and its folder are created if absent.

    Raises
    ------
    StoreError
        When the file is damaged, has another schema, is no store at all, is read-only, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._connection.close()

    def put_dataset(
        self, fingerprint: str, name: str, classes: Sequence[ClassLabel], labels: NDArray[np.int64]
    ) -> None:
        """Write the classes of a selection of images and the label of each image (int64 [N])."""
        row = (fingerprint, name, json.dumps([[c.key, c.name] for c in classes]), labels.astype("<i8").tobytes())
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO dataset VALUES (?, ?, ?, ?)", row)

    def dataset(self, fingerprint: str) -> tuple[str, tuple[ClassLabel, ...], NDArray[np.int64]]:
        """Return name, classes and labels (int64 [N]) of a selection of images."""
        sql = "SELECT name, classes, labels FROM dataset WHERE fingerprint = ?"
        with self._explained():
            row = self._connection.execute(sql, (fingerprint,)).fetchone()
        if row is None:
            raise KeyError(fingerprint)
        classes = tuple(ClassLabel(key, name) for key, name in json.loads(row[1]))
        return row[0], classes, np.frombuffer(row[2], "<i8").astype(np.int64)

    def put_cells(self, dataset: str, descriptions: Mapping[str, Mapping[str, Any]]) -> None:
        """Announce cells by key, each with what its key stands for; `SharedSweeps` sees which ones a run announced."""
        rows = [(key, dataset, json.dumps(description)) for key, description in descriptions.items()]
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO cell VALUES (?, ?, ?)", rows)

    def description(self, key: str) -> dict[str, Any]:
        """Return the description of the cell with this key."""
        with self._explained():
            row = self._connection.execute("SELECT description FROM cell WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return dict(json.loads(row[0]))

    def put(self, shard: Shard, predictions: Mapping[str, Predictions], engines: Mapping[str, EngineUsed]) -> None:
        """Commit one shard of several cells in one transaction.

        ``engines`` says what computed each; a cell without one had no readable image in this shard.
        """
        rows = []
        for key, values in predictions.items():
            if any(len(array) != shard.stop - shard.start for array in values):
                raise ValueError(f"{shard} needs {shard.stop - shard.start} rows; got {[len(a) for a in values]}")
            blobs = [array.astype(dtype).tobytes() for array, dtype in zip(values, _DTYPES, strict=True)]
            rows.append((key, shard.start, shard.stop, *blobs, "/".join(engines.get(key, ()))))
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO shard VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def finished(self, keys: Iterable[str]) -> dict[str, set[Shard]]:
        """Return the stored shards of each key."""
        sql = "SELECT start, stop FROM shard WHERE key = ?"
        with self._explained():
            return {key: {Shard(*row) for row in self._connection.execute(sql, (key,))} for key in keys}

    def holders(self, keys: Iterable[str], shard: Shard) -> set[str]:
        """Return those of ``keys`` that have ``shard``."""
        sql = "SELECT 1 FROM shard WHERE key = ? AND start = ? AND stop = ?"
        with self._explained():
            return {key for key in keys if self._connection.execute(sql, (key, *shard)).fetchone()}

    def get(self, key: str, images: int) -> Predictions | None:
        """Return the predictions of a cell for all ``images`` positions; ``None`` if some are missing."""
        result = Predictions(*(np.zeros(images, dtype) for dtype in _DTYPES))  # type: ignore[arg-type]
        covered = np.zeros(images, dtype=bool)
        sql = "SELECT start, stop, predicted, confidence, true_probability FROM shard WHERE key = ?"
        with self._explained():
            for start, stop, *blobs in self._connection.execute(sql, (key,)):
                covered[start:stop] = True
                for array, blob in zip(result, blobs, strict=True):
                    array[start:stop] = np.frombuffer(blob, array.dtype)
        return result if covered.all() else None

    def engines(self, key: str) -> tuple[EngineUsed, ...]:
        """Return what computed a cell: one engine, or several if runs with different ones shared the work."""
        sql = "SELECT DISTINCT engine FROM shard WHERE key = ? AND engine != '' ORDER BY engine"
        with self._explained():
            return tuple(EngineUsed(*text.split("/")) for (text,) in self._connection.execute(sql, (key,)))

    def _prepare(self) -> None:
        def pragma(name: str) -> int:
            return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

        # In a transaction, so that only one of two processes that start together creates the tables.
        with self._transaction():
            version = pragma("user_version")
            empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if empty:
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif pragma("application_id") != _APPLICATION_ID:
                raise StoreError(f"{self.path} is a SQLite file, but not a robustness store. {_WAY_OUT}")
            elif version != SCHEMA_VERSION:
                raise StoreError(_other_schema(self.path, version))
        self._write_ahead()
        # A power cut may lose the last shards, which are then computed again, but never damages the file.
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _write_ahead(self) -> None:
        """Switch to the write-ahead log, retrying: for this, SQLite does not wait until another process is done."""
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            _log.debug("store %s", self.path, exc_info=True)
            raise StoreError(_explain(self.path, error)) from error


_WAY_OUT = "Name another file with --robustness-store=FILE, or move this one away; it was left as it is."


def _other_schema(path: Path, version: int) -> str:
    age, remedy = (
        ("a newer", "Upgrade pytest-robustness, or name") if version > SCHEMA_VERSION else ("an older", "Name")
    )
    return (
        f"{path} was written by {age} pytest-robustness (store schema {version}; this one reads schema "
        f"{SCHEMA_VERSION}). {remedy} another file with --robustness-store=FILE."
    )


def _explain(path: Path, error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) or "readonly" in text or "unable to open" in text:
        return (
            f"{path} cannot be written ({text}). Make the folder writable, or name a file elsewhere with "
            f"--robustness-store=FILE."
        )
    if "full" in text:
        return f"{path}: the disk is full. What was finished is kept; free some space and run again to go on."
    if "locked" in text:
        return f"{path} stayed locked by another process for {_BUSY_SECONDS:.0f} seconds. Run again when it is done."
    if "not a database" in text or "malformed" in text or "corrupt" in text:
        return f"{path} is damaged, or is no store ({text}). {_WAY_OUT}"
    return f"{path}: {text}. {_WAY_OUT}"
