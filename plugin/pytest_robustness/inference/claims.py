"""Claims on shards: processes on one machine that share a store divide the work by lock files next to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_robustness.core import Shard

_POLL_SECONDS = 0.2


class ShardClaims:
    """Claims shards by file locks, which the operating system releases when a process dies.

    Parameters
    ----------
    folder
        Holds the lock files; the processes that share the work share it.
    topic
        Identifies the data: processes contend for a shard only under the same topic.
    """

    def __init__(self, folder: Path, topic: str) -> None:
        self._folder = folder
        self._topic = topic[:16]
        self._held: dict[Shard, FileLock] = {}

    def claim(self, shards: Sequence[Shard]) -> Iterator[Shard]:
        """Yield those of ``shards`` that no other process holds. Each is claimed when it is asked for; never waits."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for shard in shards:
            lock = FileLock(self._folder / f"{self._topic}-{shard.start}-{shard.stop}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            self._held[shard] = lock
            yield shard

    def release(self, shard: Shard) -> None:
        """Release ``shard``, whether it was committed or not."""
        lock = self._held.pop(shard, None)
        if lock is not None:
            lock.release()

    def close(self) -> None:
        """Release every shard that is still held."""
        for shard in list(self._held):
            self.release(shard)

    def wait(self) -> None:
        """Sleep for a moment, while other processes finish the shards that they hold."""
        time.sleep(_POLL_SECONDS)
