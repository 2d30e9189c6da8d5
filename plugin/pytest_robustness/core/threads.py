"""Divide work among threads so that none waits for one that does not run."""

from __future__ import annotations

import functools
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def divided(work: Callable[[int], None], parts: int, threads: int) -> None:
    """Call ``work`` with each of ``range(parts)``, on up to ``threads`` threads, this one among them.

    Each thread takes the next part when it is done with one. A thread that has not started when the others are done,
    because other processes keep its core busy, is not waited for. After an error no further part is begun, and the
    error is raised. ``work`` should release Python's lock.
    """
    remaining = iter(range(parts))

    def share() -> None:
        try:
            for part in remaining:
                work(part)
        except BaseException:
            deque(remaining, maxlen=0)  # nothing is left for the others
            raise

    helpers = min(threads, parts) - 1
    shares = [_pool(helpers, os.getpid()).submit(share) for _ in range(helpers)]
    try:
        share()
    finally:
        started = [one for one in shares if not one.cancel()]
        wait(started)
    # An error of this thread, such as Ctrl-C, comes before those of the others.
    for one in started:
        one.result()


@functools.lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001 (a forked process has none of the threads)
    return ThreadPoolExecutor(threads, thread_name_prefix="robustness-divided")
