"""The store: predictions in one SQLite file, under keys that are hashes of content, image by image."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_robustness.core import ClassLabel, EngineUsed
from pytest_robustness.core.errors import StoreError
from pytest_robustness.inference.store.file import WAY_OUT, StoreFile
from pytest_robustness.inference.store.rows import (
    IDENTITY,
    Block,
    checksum,
    pack,
    pack_block,
    unpack,
    unpack_block,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.core import Predictions

_log = logging.getLogger(__name__)


class StoredSelection(NamedTuple):
    """The images of a run: ``labels`` int64 [N] into ``classes``, ``images`` their identities (V16 [N])."""

    name: str
    classes: tuple[ClassLabel, ...]
    labels: NDArray[np.int64]
    images: NDArray[np.void]


class Result(NamedTuple):
    """The predictions of one cell for the images of a block; results with the same block share one row of images."""

    key: str
    description: Mapping[str, Any]
    engine: EngineUsed
    block: Block
    predictions: Predictions


class StoredResult(NamedTuple):
    """A result as it was read: ``number`` grows with each that is written, ``block`` is the number of its block.

    ``rows`` are the predictions of its ``images`` images, packed: who asks which images there are needs no more.
    """

    number: int
    block: int
    engine: EngineUsed
    images: int
    rows: bytes

    @property
    def predictions(self) -> Predictions:
        """The predictions, unpacked each time."""
        return unpack(self.rows, self.images)


class _SealedBlock(NamedTuple):
    block: Block
    sealed: bytes


class Store:
    """Predictions by cell and image; safe for several processes at once, and for several threads.

    ``file`` has them; ``damaged`` counts the rows that were removed because their content is not what was written.

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
        self.damaged = 0
        self.file = StoreFile(path)
        self._blocks: dict[int, _SealedBlock] = {}

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self.file.path

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self.file.close()

    def put_selection(self, fingerprint: str, selection: StoredSelection) -> None:
        """Write the images of a run, in place of what is there under the same fingerprint."""
        columns = (
            selection.name,
            json.dumps([[label.key, label.name] for label in selection.classes]),
            selection.labels.astype("<i8").tobytes(),
            selection.images.astype(IDENTITY).tobytes(),
        )
        with self.file.transaction():
            self.file.connection.execute(
                "INSERT OR REPLACE INTO selection VALUES (?, ?, ?, ?, ?, ?)",
                (fingerprint, *columns, _checksum_of(fingerprint, *columns)),
            )

    def selection(self, fingerprint: str) -> StoredSelection:
        """Return the images of a run.

        Raises
        ------
        KeyError
            They were never written.
        StoreError
            The row is damaged.
        """
        sql = "SELECT name, classes, labels, images, checksum FROM selection WHERE fingerprint = ?"
        with self.file.explained():
            row = self.file.connection.execute(sql, (fingerprint,)).fetchone()
        if row is None:
            raise KeyError(fingerprint)
        *columns, written = row
        if _checksum_of(fingerprint, *columns) != written:
            raise StoreError(f"{self.path} is damaged: it lists other images than were written. {WAY_OUT}")
        name, classes, labels, images = columns
        return StoredSelection(
            name,
            tuple(ClassLabel(key, shown) for key, shown in json.loads(classes)),
            np.frombuffer(labels, "<i8").astype(np.int64),
            np.frombuffer(images, IDENTITY),
        )

    def announce(self, cells: int, predictions: int) -> None:
        """Write that a sweep begins which lacks so many predictions of so many cells; `SharedSweeps` reads it."""
        with self.file.transaction():
            self.file.connection.execute("INSERT INTO sweep (cells, predictions) VALUES (?, ?)", (cells, predictions))

    def put(self, results: Sequence[Result]) -> None:
        """Commit ``results`` in one transaction."""
        with self.file.transaction():
            numbers: dict[int, int] = {}
            for result in results:
                if any(len(column) != len(result.block.images) for column in result.predictions):
                    raise ValueError(f"a block of {len(result.block.images)} images needs as many predictions")
                if id(result.block) not in numbers:
                    numbers[id(result.block)] = self._put_block(result.block)
                number = numbers[id(result.block)]
                engine, rows = "/".join(result.engine), pack(result.predictions)
                sealed = self._blocks[number].sealed
                self.file.connection.execute(
                    "INSERT INTO prediction (cell, block, engine, rows, checksum) VALUES (?, ?, ?, ?, ?)",
                    (self._cell(result), number, engine, rows, _checksum_of(result.key, sealed, engine, rows)),
                )

    def read(self, key: str, after: int = 0) -> list[StoredResult]:
        """Return what is stored of a cell, of the results with numbers above ``after``; removes damaged rows."""
        sql = (
            "SELECT prediction.id, block, engine, rows, checksum FROM prediction JOIN cell ON cell.id = cell "
            "WHERE key = ? AND prediction.id > ? ORDER BY prediction.id"
        )
        found, damaged = [], []
        with self.file.explained():
            for number, block, engine, rows, written in self.file.connection.execute(sql, (key, after)):
                result = self._checked(key, number, block, engine, rows, written)
                if result is None:
                    damaged.append(number)
                else:
                    found.append(result)
        self._remove(damaged)
        self.damaged += len(damaged)
        return found

    def remember(self, name: str, content: str) -> None:
        """Write what a later run need not find out or make again, in place of what is there under the same name."""
        with self.file.transaction():
            self.file.connection.execute(
                "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?)", (name, content, _checksum_of(name, content))
            )

    def recall(self, name: str) -> str | None:
        """Return what was remembered; ``None`` where nothing was, or where it is damaged."""
        sql = "SELECT content, checksum FROM remembered WHERE name = ?"
        with self.file.explained():
            row = self.file.connection.execute(sql, (name,)).fetchone()
        return str(row[0]) if row is not None and _checksum_of(name, row[0]) == row[1] else None

    def _checked(
        self, key: str, number: int, block: int, engine: str, rows: bytes, written: bytes
    ) -> StoredResult | None:
        """Return a row as a result; ``None`` where its content, or its block's, is not what was written."""
        of_block = self._block(block) if isinstance(block, int) else None  # SQLite keeps any type in any column
        if of_block is None or _checksum_of(key, of_block.sealed, engine, rows) != written:
            _log.debug("row %d of %s is damaged", number, self.path)
            return None
        return StoredResult(number, block, EngineUsed(*engine.split("/")), len(of_block.block.images), rows)

    def block(self, result: StoredResult) -> Block:
        """Return the images of a result that was read."""
        with self.file.explained():
            of_block = self._block(result.block)
        if of_block is None:
            raise KeyError(result.block)
        return of_block.block

    def forget(self, in_doubt: Callable[[str, Mapping[str, Any]], bool]) -> None:
        """Remove all results of the cells, of whatever images, whose key and description are ``in_doubt``."""
        with self.file.transaction():
            cells = self.file.connection.execute("SELECT id, key, description FROM cell").fetchall()
            self.file.connection.executemany(
                "DELETE FROM prediction WHERE cell = ?",
                [(number,) for number, key, text in cells if in_doubt(key, _description(text))],
            )

    def put_unreadable(self, image: bytes, decoder: str, reason: str) -> None:
        """Write that a decoder cannot read the image with this identity, and why."""
        with self.file.transaction():
            self.file.connection.execute(
                "INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?, ?)",
                (image, decoder, reason, _checksum_of(image, decoder, reason)),
            )

    def unreadable(self, decoder: str) -> dict[bytes, str]:
        """Return the images that this decoder cannot read, by identity, with the reason."""
        sql = "SELECT image, decoder, reason, checksum FROM unreadable WHERE decoder = ?"
        with self.file.explained():
            rows = self.file.connection.execute(sql, (decoder,)).fetchall()
        return {row[0]: row[2] for row in rows if _checksum_of(*row[:3]) == row[3]}

    def _block(self, number: int) -> _SealedBlock | None:
        if number not in self._blocks:
            sql = "SELECT images, targets, checksum FROM block WHERE id = ?"
            row = self.file.connection.execute(sql, (number,)).fetchone()
            if row is None or _checksum_of(*row[:2]) != row[2]:
                return None
            self._blocks[number] = _SealedBlock(unpack_block(*row[:2]), row[2])
        return self._blocks[number]

    def _put_block(self, block: Block) -> int:
        columns = pack_block(block)
        sealed = _checksum_of(*columns)
        cursor = self.file.connection.execute(
            "INSERT INTO block (size, images, targets, checksum) VALUES (?, ?, ?, ?)",
            (len(block.images), *columns, sealed),
        )
        number = int(cursor.lastrowid or 0)
        self._blocks[number] = _SealedBlock(block, sealed)
        return number

    def _cell(self, result: Result) -> int:
        sql = (
            "INSERT INTO cell (key, description) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET description = excluded.description"
        )
        self.file.connection.execute(sql, (result.key, json.dumps(result.description)))
        return int(self.file.connection.execute("SELECT id FROM cell WHERE key = ?", (result.key,)).fetchone()[0])

    def _remove(self, numbers: Sequence[int]) -> None:
        if numbers:
            with self.file.transaction():
                self.file.connection.executemany(
                    "DELETE FROM prediction WHERE id = ?", [(number,) for number in numbers]
                )


def _description(text: object) -> dict[str, Any]:
    """Return what the store says of a cell; nothing where that is damaged."""
    try:
        found = json.loads(str(text))
    except ValueError:
        _log.debug("the description of a cell is damaged", exc_info=True)
        return {}
    return found if isinstance(found, dict) else {}


def _checksum_of(*parts: object) -> bytes:
    """Return the checksum of the columns of a row, as SQLite returns them: of damaged ones perhaps another type."""
    return checksum(*(part if isinstance(part, bytes) else repr(part).encode() for part in parts))
