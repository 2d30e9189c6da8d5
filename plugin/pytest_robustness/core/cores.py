"""How many cores this process may use: those of its machine, of its affinity, or of its container."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return how many cores this process may keep busy, at least 1.

    A limit of a container (Kubernetes, Docker, systemd) takes no core away, but time: whoever starts a thread for each
    core of the machine is stopped for most of the time. Of a limit of 2.5 cores, three are used.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(limit) for limit in _limits())]))


def _limits() -> Iterator[float]:
    """Yield the cores that each control group leaves, of this process and those around it."""
    try:
        lines = _OWN.read_text(encoding="utf-8").splitlines()
    except OSError:
        _log.debug("no control groups here", exc_info=True)
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # The first version has a tree for each kind of limit. A container sees its own group as the root of the tree.
        root = _GROUPS / "cpu" if controllers else _GROUPS
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            limit = _of_second(folder) if not controllers else _of_first(folder)
            if limit is not None:
                yield limit
            if folder == root:
                break


def _of_second(folder: Path) -> float | None:
    return _ratio(_words(folder / "cpu.max"))


def _of_first(folder: Path) -> float | None:
    return _ratio([*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:  # the root of a tree has no limit, and a container not the group that the system calls its own
        return []


def _ratio(words: list[str]) -> float | None:
    """Return the microseconds of a period that may be used over its length; ``None`` without a limit, ``max`` or -1."""
    try:
        quota, period = map(float, words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None
