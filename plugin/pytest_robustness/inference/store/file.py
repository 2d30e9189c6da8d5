"""The SQLite file of the store: opened, locked, and every error of it explained."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import StoreError
from pytest_robustness.inference.store.lock_holders import describe_holders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 3
# The ASCII codes of "prob". They identify our files, so that no other SQLite file is ever written to.
_APPLICATION_ID: Final = 0x70726F62
_SCHEMA: Final = """
CREATE TABLE selection (
    fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL, classes TEXT NOT NULL, labels BLOB NOT NULL,
    images BLOB NOT NULL, checksum BLOB NOT NULL
);
CREATE TABLE sweep (id INTEGER PRIMARY KEY, cells INTEGER NOT NULL, predictions INTEGER NOT NULL);
CREATE TABLE cell (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, description TEXT NOT NULL);
CREATE TABLE block (
    id INTEGER PRIMARY KEY, size INTEGER NOT NULL, images BLOB NOT NULL, targets BLOB NOT NULL, checksum BLOB NOT NULL
);
CREATE TABLE prediction (
    id INTEGER PRIMARY KEY, cell INTEGER NOT NULL, block INTEGER NOT NULL, engine TEXT NOT NULL, rows BLOB NOT NULL,
    checksum BLOB NOT NULL
);
CREATE INDEX prediction_of_cell ON prediction (cell, id);
CREATE TABLE remembered (name TEXT PRIMARY KEY, content TEXT NOT NULL, checksum BLOB NOT NULL);
CREATE TABLE unreadable (image BLOB PRIMARY KEY, decoder TEXT NOT NULL, reason TEXT NOT NULL, checksum BLOB NOT NULL);
"""
_BUSY_SECONDS: Final = 60.0


class StoreFile:
    """The connection to a store; safe for several processes at once, and for several threads.

    A process that is forked opens the file itself when it first asks: what SQLite has open must not be used by two.

    Parameters
    ----------
    path
        The SQLite file; it and its folder are created if absent.

    Raises
    ------
    StoreError
        When the file is a folder or damaged, has another schema, is no store at all, is read-only, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        if path.is_dir():
            raise StoreError(
                f"{path} is a folder, and a store is a file. Name one (in a run with --robustness-store=FILE), such as "
                f"{path / 'store.sqlite'}."
            )
        with self.explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = self._connected()
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, all of it or nothing; raises `StoreError`."""
        with self.explained():
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """Keep all other processes from the file while the block runs, and give the connection.

        Raises
        ------
        StoreError
            Another process has the file open: it would go on with answers that are gone.
        """
        with self.explained():
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            try:
                self._enter_alone()
                yield self.connection
            finally:
                self.connection.execute("PRAGMA locking_mode = NORMAL")
                self._write_ahead()

    def _enter_alone(self) -> None:
        try:
            # Only who is alone can end the write-ahead log, and has the file from then on.
            self.connection.execute("PRAGMA journal_mode = DELETE")
            self.connection.execute("BEGIN EXCLUSIVE")
            self.connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            who = describe_holders([self.path, *_beside(self.path)])
            raise StoreError(
                f"{self.path} is in use. {who or 'Try again when no other process has it open.'}"
            ) from error

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors of SQLite and of the file system into a `StoreError` that says what to do.

        Every statement is in such a block, which is one thread's at a time: a connection has one transaction, and what
        another thread executed meanwhile would be part of it.
        """
        forked = self._process != os.getpid()
        if forked:
            # Whichever thread had it did not come along.
            self._lock, self._process = threading.RLock(), os.getpid()
        try:
            with self._lock:
                if forked:
                    # To close it, or to let it be collected, might take the log away from the process that it is of.
                    self._inherited.append(self.connection)
                    self.connection = self._connected()
                yield
        except (sqlite3.Error, OSError) as error:
            _log.debug("store %s", self.path, exc_info=True)
            raise StoreError(_explain(self.path, error)) from error

    def close(self) -> None:
        """Close the file; it cannot be used afterwards."""
        with self.explained():
            self.connection.close()

    def _connected(self) -> sqlite3.Connection:
        # Whoever made it need not be who asks or closes it: an evaluation may come from another thread.
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        # Bytes that are no UTF-8 are damage of one row, which its checksum shows, and no error of the file.
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        # What was committed outlasts a power cut. There is one commit in some seconds, so that it costs little.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _prepare(self) -> None:
        def pragma(name: str) -> int:
            return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

        # In a transaction, so that only one of two processes that start together creates the tables.
        with self.transaction():
            version = pragma("user_version")
            empty = self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if empty:
                for statement in _SCHEMA.split(";"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif pragma("application_id") != _APPLICATION_ID:
                raise StoreError(f"{self.path} is a SQLite file, but not a robustness store. {WAY_OUT}")
            elif version != SCHEMA_VERSION:
                raise StoreError(_other_schema(self.path, version))
        self._write_ahead()

    def _write_ahead(self) -> None:
        """Switch to the write-ahead log, retrying: for this, SQLite does not wait until another process is done."""
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return


NO_LOCKS = (
    "its file system lacks the locks or the shared memory that a store needs, as those of a network may. Name a file "
    "on a disk of this machine (in a run with --robustness-store=FILE)."
)
"""Why a file that is there cannot be used, and what to do."""

WAY_OUT = "Name another file (in a run with --robustness-store=FILE), or move this one away; it was left as it is."


def _other_schema(path: Path, version: int) -> str:
    age, remedy = (
        ("a newer", "Upgrade pytest-robustness, or name") if version > SCHEMA_VERSION else ("an older", "Name")
    )
    return (
        f"{path} was written by {age} pytest-robustness (store schema {version}; this one reads schema "
        f"{SCHEMA_VERSION}). {remedy} another file (in a run with --robustness-store=FILE)."
    )


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("-wal", "-shm")]


def _explain(path: Path, error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) or "readonly" in text or "unable to open" in text:
        return (
            f"{path} cannot be written ({text}). Make the folder writable, or name a file elsewhere (in a run with "
            f"--robustness-store=FILE)."
        )
    if "full" in text:
        return f"{path}: the disk is full. What was finished is kept; free some space and run again to go on."
    if "locked" in text:
        who = describe_holders([path, *_beside(path)])
        by = who or f"Another process has it: run again when that is done. If none has, {NO_LOCKS}"
        return f"{path} stayed locked for {_BUSY_SECONDS:.0f} seconds. {by}"
    if "disk I/O" in text or "locking protocol" in text:
        return f"{path} cannot be used where it lies ({text}): the disk fails, or {NO_LOCKS}"
    if "not a database" in text or "malformed" in text or "corrupt" in text:
        return f"{path} is damaged, or is no store ({text}). {WAY_OUT}"
    return f"{path}: {text}. {WAY_OUT}"
