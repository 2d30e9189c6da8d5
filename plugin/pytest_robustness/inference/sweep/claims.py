"""Claims on shards: processes on one machine that share a store divide the work by lock files next to it."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pytest_robustness.core.errors import StoreError
from pytest_robustness.core.process import interrupts_held
from pytest_robustness.inference.store import lock_holders
from pytest_robustness.inference.store.file import NO_LOCKS
from pytest_robustness.inference.store.lock_holders import Holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_robustness.core import Shard

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
# As long may a process wait for another without a word.
_PATIENCE_SECONDS = 5.0
_OLD_SECONDS = 86_400.0


def _silent(_: str) -> None:
    """Show nothing."""


class ShardClaims:
    """Claims shards by file locks, which the operating system releases when a process dies.

    Parameters
    ----------
    folder
        Holds the lock files; the processes that share the work share it.
    topic
        Identifies the data: processes contend for a shard only under the same topic.
    note
        Shows the user who is waited for, where that takes long and is no worker of the same run at its work.
    """

    def __init__(self, folder: Path, topic: str, note: Callable[[str], None] = _silent) -> None:
        self._folder = folder
        self._topic = topic[:16]
        self._note = note
        self._held: dict[Shard, FileLock] = {}
        self._passed_over: list[Shard] = []
        self._waiting_since: float | None = None
        self._noted: set[tuple[int, bool]] = set()

    def claim(self, shards: Sequence[Shard]) -> Iterator[Shard]:
        """Yield those of ``shards`` that no other process holds. Each is claimed when it is asked for; never waits.

        Raises
        ------
        StoreError
            When the files cannot be made or locked.
        """
        self._passed_over = []
        for shard in shards:
            lock = FileLock(self._path(shard, "lock"))
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                # A lock that Ctrl-C leaves half taken or given back stays so: this process would wait for itself.
                with interrupts_held():
                    lock.acquire(timeout=0)
                    self._held[shard] = lock
            except Timeout:
                self._passed_over.append(shard)
                continue
            except (OSError, NotImplementedError) as error:  # filelock says the latter of what knows no such call
                _log.debug("%s cannot be locked", self._folder, exc_info=True)
                reason = getattr(error, "strerror", None) or str(error)
                raise StoreError(
                    f"{self._folder} beside the store cannot be locked ({reason}): the disk is full, or {NO_LOCKS}"
                ) from error
            self._waiting_since = None
            lock_holders.write(self._path(shard, "holder"), Holder.this())
            yield shard

    def release(self, shard: Shard) -> None:
        """Release ``shard``, whether it was committed or not."""
        with interrupts_held():
            lock = self._held.pop(shard, None)
            if lock is not None:
                self._path(shard, "holder").unlink(missing_ok=True)
                lock.release()

    def close(self) -> None:
        """Release every shard that is still held, and remove the files of locks that nobody has asked for in a day.

        A lock file stays where it is when its shard is released, as another process may be about to lock it: in the end
        there would be one for each shard of each state of the data that there ever was.
        """
        for shard in list(self._held):
            self.release(shard)
        old = time.time() - _OLD_SECONDS
        for path in self._folder.glob("*.lock"):
            with contextlib.suppress(OSError, Timeout):
                if path.stat().st_mtime < old:
                    with FileLock(path, timeout=0):
                        path.with_suffix(".holder").unlink(missing_ok=True)
                        path.unlink()

    def wait(self) -> None:
        """Sleep for a moment, while other processes finish the shards that they hold; after a while, say which."""
        now = time.monotonic()
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        if now - self._waiting_since >= _PATIENCE_SECONDS:
            self._say_who()
        time.sleep(_POLL_SECONDS)

    def _say_who(self) -> None:
        """Name each process that is waited for once, and again where it is stopped or goes on."""
        for shard in self._passed_over:
            holder = lock_holders.read(self._path(shard, "holder"))
            if holder is None or holder.gone or (holder.of_this_run and not holder.stopped):
                continue
            if (holder.pid, holder.stopped) not in self._noted:
                self._noted.add((holder.pid, holder.stopped))
                self._note(f"waiting for images {shard.start} to {shard.stop} of {holder.describe()}")

    def _path(self, shard: Shard, ending: str) -> Path:
        return self._folder / f"{self._topic}-{shard.start}-{shard.stop}.{ending}"
