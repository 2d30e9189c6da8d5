"""Remove from a store what nobody asks for any more, and give its room back to the disk."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.inference.store.distinct_images import DistinctImages
from pytest_robustness.inference.store.rows import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from sqlite3 import Connection

    from pytest_robustness.inference.store.file import StoreFile

_log = logging.getLogger(__name__)

# Of many small tables, all that is read at once.
_ROWS: Final = 1000


class Wanted(NamedTuple):
    """What stays: cells with one of these ``keys``, or of a model with one of these ``models``' fingerprints.

    ``selections`` are the fingerprints of images that stay; so do all that were written after the first of them, which
    a later run has chosen.
    """

    keys: Collection[str]
    models: Collection[str]
    selections: Collection[str]


class Contents(NamedTuple):
    """How much a store holds: cells, predictions, and lists of images."""

    cells: int
    predictions: int
    selections: int


def contents(file: StoreFile) -> Contents:
    """Return how much the store holds."""
    predictions = "SELECT coalesce(sum(size), 0) FROM prediction JOIN block ON block.id = block"
    counts = ("SELECT count(*) FROM cell", predictions, "SELECT count(*) FROM selection")
    with file.explained():
        return Contents(*(int(file.connection.execute(sql).fetchone()[0]) for sql in counts))


def remove_unwanted(file: StoreFile, wanted: Wanted) -> None:
    """Remove all but what is ``wanted``, and write the file anew, as small as it can be.

    Raises
    ------
    StoreError
        Another process has the file open, or the disk is full.
    """
    with file.alone() as connection:
        with file.transaction():
            selections = _selections(connection, wanted.selections)
            unwanted = set(_unwanted_cells(connection, wanted))
            blocks = list(_unwanted_blocks(connection, selections))
            _delete(connection, "DELETE FROM selection WHERE rowid = ?", _other_rows(connection, selections))
            _delete(connection, "DELETE FROM prediction WHERE cell = ?", unwanted)
            # Of a block there is no index: all results are looked through once.
            connection.execute("CREATE TEMP TABLE gone (id INTEGER PRIMARY KEY)")
            _delete(connection, "INSERT INTO gone VALUES (?)", blocks)
            connection.execute("DELETE FROM prediction WHERE block IN (SELECT id FROM gone)")
            connection.execute("DROP TABLE gone")
            connection.execute("DELETE FROM block WHERE id NOT IN (SELECT block FROM prediction)")
            connection.execute("DELETE FROM cell WHERE id NOT IN (SELECT cell FROM prediction)")
        connection.execute("VACUUM")


def _delete(connection: Connection, sql: str, numbers: Collection[int]) -> None:
    connection.executemany(sql, [(number,) for number in numbers])


def _selections(connection: Connection, fingerprints: Collection[str]) -> set[int]:
    """Return the rows of the images that stay. Each run writes its images anew, so that rows are in order of use."""
    rows = dict(connection.execute("SELECT fingerprint, rowid FROM selection"))
    first = min((rows[one] for one in fingerprints if one in rows), default=None)
    return set() if first is None else {row for row in rows.values() if row >= first}


def _other_rows(connection: Connection, kept: set[int]) -> set[int]:
    return {int(row[0]) for row in connection.execute("SELECT rowid FROM selection")} - kept


def _unwanted_cells(connection: Connection, wanted: Wanted) -> Iterator[int]:
    keys, models = set(wanted.keys), set(wanted.models)
    for number, key, text in connection.execute("SELECT id, key, description FROM cell"):
        if key not in keys and _fingerprint(text) not in models:
            yield int(number)


def _fingerprint(text: object) -> str | None:
    """Return that of the model, as a cell is described; ``None`` where it is not, or the description is damaged."""
    try:
        found = json.loads(str(text)).get("fingerprint")
    except (ValueError, AttributeError):
        _log.debug("the description of a cell is damaged", exc_info=True)
        return None
    return None if found is None else str(found)


def _unwanted_blocks(connection: Connection, selections: set[int]) -> Iterator[int]:
    """Yield the blocks of which no image is one of ``selections``."""
    lists = [connection.execute("SELECT images FROM selection WHERE rowid = ?", (row,)) for row in sorted(selections)]
    images = [np.frombuffer(found.fetchone()[0], IDENTITY) for found in lists]
    kept = DistinctImages(np.concatenate([np.empty(0, IDENTITY), *images]), None)
    cursor = connection.execute("SELECT id, images FROM block")
    while rows := cursor.fetchmany(_ROWS):
        for number, content in rows:
            identities = np.frombuffer(content, IDENTITY)
            if (kept.numbers(identities, np.zeros(len(identities), np.int64)) < 0).all():
                yield int(number)
