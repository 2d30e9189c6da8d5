"""How far the processes that share a store are with their sweep, read from the store itself."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_BUSY_SECONDS = 1.0

# Rows get ever larger ids, and a cell gets a new one whenever a process announces it (`Store.put_cells`): what is above
# a mark is new. A shard is missing unless every announced cell has it, and done once one has: a cell that failed never
# gets it, and the cells of a shard are committed at once.
_MARKS = "SELECT (SELECT coalesce(max(rowid), 0) FROM cell), (SELECT coalesce(max(rowid), 0) FROM shard)"
_STATE = """
WITH announced AS (SELECT key, dataset FROM cell WHERE rowid > :cells),
     rows AS (SELECT shard.rowid AS id, start, stop FROM shard WHERE key IN (SELECT key FROM announced))
SELECT (SELECT count(*) FROM announced),
       (SELECT coalesce(max(length(labels)) / 8, 0) FROM dataset
        WHERE fingerprint IN (SELECT dataset FROM announced)),
       (SELECT coalesce(sum(stop - start), 0) FROM
        (SELECT start, stop FROM rows WHERE id <= :shards GROUP BY start, stop
         HAVING count(*) = (SELECT count(*) FROM announced))),
       (SELECT coalesce(sum(stop - start), 0) FROM (SELECT DISTINCT start, stop FROM rows WHERE id > :shards))
"""


class SharedSweep(NamedTuple):
    """A sweep that several processes share: its cells, the images that some cell lacked at the start, those done."""

    cells: int
    images: int
    done: int


class SharedSweeps:
    """Reads the sweeps that processes begin after it was created; a store with finished shards counts from there.

    A store that is absent, locked or damaged reads as ``None``: the processes that need it report what is wrong.

    Parameters
    ----------
    path
        The store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks = self._last = self._query(_MARKS) if path.exists() else (0, 0)

    def current(self) -> SharedSweep | None:
        """Return how far the sweep is, with all the cells announced since the last `close`."""
        self._last = self._query(_MARKS)
        if self._marks is None:
            self._marks = self._last
        if self._marks is None:
            return None
        row = self._query(_STATE, *self._marks)
        if row is None:
            return None
        cells, images, before, done = row
        return SharedSweep(cells, images - before, done)

    def close(self) -> None:
        """End the current sweep: the next one has the cells that no call of `current` has seen."""
        self._marks = self._last or self._marks

    def _query(self, sql: str, cells: int = 0, shards: int = 0) -> tuple[int, ...] | None:
        if not self._path.exists():
            return None
        import sqlite3  # here, because a run without robustness tests has no store

        try:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
                row: tuple[int, ...] = connection.execute(sql, {"cells": cells, "shards": shards}).fetchone()
                return row
        except sqlite3.Error:
            _log.debug("the progress in %s cannot be read now", self._path, exc_info=True)
            return None
