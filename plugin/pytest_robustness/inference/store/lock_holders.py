"""Say which process holds a lock, since when, whether it is stopped, and how to go on."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_log = logging.getLogger(__name__)

_PROC = Path("/proc")


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that holds a lock: its number on ``host``, and the time since when (seconds since 1970; 0: unknown).

    ``run`` is what its run with pytest-xdist is called; nothing where it is no worker.
    """

    pid: int
    host: str
    since: float = 0.0
    run: str = ""

    @classmethod
    def this(cls) -> Holder:
        """Return this process, which holds a lock from now on."""
        return cls(os.getpid(), socket.gethostname(), time.time(), _run())

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()

    @property
    def of_this_run(self) -> bool:
        """Whether it is a worker of the same run as this process: to wait for it is nothing to speak of."""
        return bool(self.run) and self.run == _run()

    @property
    def stopped(self) -> bool:
        """Whether it is stopped: by Ctrl-Z, by SIGSTOP, or by a debugger. Where the system does not say, it is not."""
        return self.here and _state(self.pid) in ("T", "t")

    @property
    def gone(self) -> bool:
        """Whether it has ended, or is ending: its lock is free then. Where the system does not say, it has not."""
        if not self.here or _state(os.getpid()) == "":
            return False
        return _state(self.pid) in ("", "Z", "X") or _without_memory(self.pid)

    def describe(self) -> str:
        """Return who it is and how to go on, as a sentence."""
        where = "" if self.here else f" on {self.host}"
        since = f" since {time.strftime('%H:%M:%S', time.localtime(self.since))}" if self.since else ""
        command = _command(self.pid) if self.here else ""
        who = f"process {self.pid}{where}{f' ({command})' if command else ''}, which has the lock{since}"
        if self.stopped:
            how = f"fg or kill -CONT {self.pid} lets it go on, kill -9 {self.pid} ends it"
            return f"{who} and is stopped, by Ctrl-Z perhaps: {how}"
        return f"{who}: wait until it is done, or end it{'' if self.here else ' there'} with kill {self.pid}"


def write(path: Path, holder: Holder) -> None:
    """Write down beside a lock who holds it; that this fails is no reason not to work."""
    try:
        path.write_text(json.dumps(dataclasses.asdict(holder)), encoding="utf-8")
    except OSError:
        _log.debug("%s cannot be written", path, exc_info=True)


def read(path: Path) -> Holder | None:
    """Return who wrote `path`; ``None`` where it is absent or no holder."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        _log.debug("%s names no holder", path, exc_info=True)
        return None


def holders_of(paths: Iterable[Path]) -> list[Holder]:
    """Return the processes of this machine that hold a lock of the system on one of ``paths``; on Linux alone.

    A SQLite file is locked by locks on it and on its ``-shm``.
    """
    inodes = set()
    for path in paths:
        try:
            inodes.add(path.stat().st_ino)
        except OSError:
            _log.debug("%s cannot be looked at", path, exc_info=True)
    try:
        lines = (_PROC / "locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        _log.debug("the system does not list its locks", exc_info=True)
        return []
    found = {int(words[-4]) for words in map(str.split, lines) if "->" not in words and _inode(words) in inodes}
    return [Holder(pid, socket.gethostname()) for pid in sorted(found - {os.getpid(), 0, -1})]


def describe_holders(paths: Iterable[Path]) -> str:
    """Return who holds locks on ``paths``, as sentences; nothing where that cannot be seen."""
    return " ".join(f"It is locked by {holder.describe()}." for holder in holders_of(paths))


def _inode(words: list[str]) -> int:
    # 1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF
    return int(words[-3].rpartition(":")[2])


def _run() -> str:
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", "")


def _state(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        _log.debug("the state of process %d cannot be read", pid, exc_info=True)
        return ""


def _without_memory(pid: int) -> bool:
    """Return whether the memory of a process is released, its arguments included: it was killed, and closes files."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes() == b""
    except OSError:
        _log.debug("the command of process %d cannot be read", pid, exc_info=True)
        return False


def _command(pid: int) -> str:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        _log.debug("the command of process %d cannot be read", pid, exc_info=True)
        return ""
    text = " ".join(word for word in words if word)
    return "".join(sign if sign.isprintable() else "?" for sign in text[:80])
