"""How far the processes that share a store are with their sweep, read from the store itself."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_BUSY_SECONDS = 1.0

# Rows get ever larger numbers: what is above a mark is new. Processes that begin together announce the same work, and
# one that begins later announces what is left of it.
_MARKS = "SELECT (SELECT coalesce(max(id), 0) FROM sweep), (SELECT coalesce(max(id), 0) FROM prediction)"
_STATE = """
SELECT (SELECT coalesce(max(cells), 0) FROM sweep WHERE id > :sweeps),
       (SELECT coalesce(max(predictions), 0) FROM sweep WHERE id > :sweeps),
       (SELECT coalesce(sum(size), 0) FROM prediction JOIN block ON block.id = block
        WHERE prediction.id > :predictions),
       (SELECT coalesce(max(id), 0) FROM sweep), (SELECT coalesce(max(id), 0) FROM prediction)
"""


class SharedSweep(NamedTuple):
    """A sweep that processes share: its cells, the images to do and those done, each counted under all cells."""

    cells: int
    images: int
    done: int


class SharedSweeps:
    """Reads the sweeps that processes begin after it was created; what a store holds already does not count.

    A store that is absent, locked or damaged reads as ``None``: the processes that need it report what is wrong.

    Parameters
    ----------
    path
        The store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks = self._last = self._query(_MARKS) if path.exists() else (0, 0)
        # Of the results of this sweep, those up to which number were counted: each is once, however often it is asked.
        self._counted = self._done = 0

    def current(self) -> SharedSweep | None:
        """Return how far the sweeps are that were announced since the last `close`."""
        if self._marks is None:
            self._marks = self._last = self._query(_MARKS)
        if self._marks is None:
            return None
        row = self._query(_STATE, self._marks[0], max(self._marks[1], self._counted))
        if row is None:
            return None
        cells, wanted, fresh, *last = row
        self._last = tuple(last)
        self._counted, self._done = last[1], self._done + fresh
        return SharedSweep(cells, -(-wanted // max(1, cells)), min(self._done, wanted) // max(1, cells))

    def close(self) -> None:
        """End the current sweep: the next one is what no call of `current` has seen."""
        self._marks = self._last or self._marks
        self._done = 0

    def _query(self, sql: str, sweeps: int = 0, predictions: int = 0) -> tuple[int, ...] | None:
        if not self._path.exists():
            return None
        import sqlite3  # here, because a run without robustness tests has no store

        try:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
                row: tuple[int, ...] = connection.execute(
                    sql, {"sweeps": sweeps, "predictions": predictions}
                ).fetchone()
                return row
        except sqlite3.Error:
            _log.debug("the progress in %s cannot be read now", self._path, exc_info=True)
            return None
