"""Divide work among threads so that none waits for one that does not run, and an interrupt ends it whenever it comes.

A `KeyboardInterrupt` may be raised between any two steps of the main thread, also where it has just taken a lock of an
executor: its threads then wait for that lock, and the executor for its threads, for ever. Here the main thread takes no
lock that the others need. The next of an iterator of C, and to put or get of a simple queue, are one step each, which
no interrupt leaves half done.
"""

from __future__ import annotations

import _thread
import functools
import os
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    _Result = TypeVar("_Result")
    _Part: TypeAlias = list[tuple[int, _Result]] | BaseException | None

# Pieces that a thread hands over together, where there are many for each thread.
_TOGETHER: Final = 16
_SHARES: Final = 8


def divided(work: Callable[[int], None], parts: int, threads: int) -> None:
    """Call ``work`` with each of ``range(parts)``, on up to ``threads`` threads, this one among them.

    For work of milliseconds: the other threads wait for the next call. Each thread takes the next part when it is done
    with one. One that has not started when the others are done, because other processes keep its core busy, is not
    waited for. After an error no further part is begun, and the error is raised. ``work`` should release Python's lock.
    """
    remaining = iter(range(parts))

    def share() -> None:
        try:
            for part in remaining:
                work(part)
        except BaseException:
            deque(remaining, maxlen=0)  # nothing is left for the others
            raise

    tasks = [_Task(share) for _ in range(min(threads, parts) - 1)]
    if tasks:
        _helpers(os.getpid()).begin(tasks)
    try:
        share()
    finally:
        errors = [task.settled() for task in tasks]
    # An error of this thread, such as Ctrl-C, comes before those of the others.
    for error in filter(None, errors):
        raise error


class _Task:
    """Work that one thread begins, unless it is taken back before."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._unclaimed = iter((True,))
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(self) -> None:
        """Do the work, if nobody has taken it back."""
        if not next(self._unclaimed, False):
            return
        error = None
        try:
            self._work()
        except BaseException as raised:  # it is the caller's
            error = raised
        self._ended.put(error)

    def settled(self) -> BaseException | None:
        """Take the work back, or wait for its end if it has begun; return what it raised."""
        return None if next(self._unclaimed, False) else self._ended.get()


class _Helpers:
    """Threads that wait for tasks; the process ends without waiting for them."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._threads = 0

    def begin(self, tasks: list[_Task]) -> None:
        """Have as many threads as there are ``tasks`` take them."""
        while self._threads < len(tasks):
            self._threads += 1
            _thread.start_new_thread(self._take, ())
        for task in tasks:
            self._tasks.put(task)

    def _take(self) -> None:
        while True:
            self._tasks.get().run()


@functools.lru_cache(maxsize=1)
def _helpers(process: int) -> _Helpers:  # noqa: ARG001 (a forked process has none of the threads)
    return _Helpers()


def in_threads(work: Callable[[int], _Result], count: int, threads: int) -> Iterator[tuple[int, _Result]]:
    """Yield each number of ``range(count)`` with what ``work`` returns for it, in whatever order they are done.

    With one thread the caller's does the work, in order. Otherwise a caller who stops early leaves each thread to end
    after the piece that it is at; what ``work`` raises is raised here.
    """
    if min(threads, count) <= 1:
        yield from ((number, work(number)) for number in range(count))
        return
    together = max(1, min(_TOGETHER, count // (_SHARES * threads)))
    remaining = iter(range(0, count, together))
    found: SimpleQueue[_Part[_Result]] = SimpleQueue()
    stopped: list[bool] = []

    def share() -> None:
        try:
            for start in remaining:
                numbers = range(start, min(start + together, count))
                found.put([(number, work(number)) for number in numbers if not stopped])
                if stopped:
                    return
        except BaseException as error:  # it is the caller's
            found.put(error)
        finally:
            found.put(None)

    helpers = min(threads, count)
    try:
        for _ in range(helpers):
            _thread.start_new_thread(share, ())  # to start a Thread waits for a lock that it takes first
        for part in _parts(found, helpers):
            yield from part
    finally:
        stopped.append(True)


def _parts(found: SimpleQueue[_Part[_Result]], threads: int) -> Iterator[list[tuple[int, _Result]]]:
    """Yield what threads hand over until each has handed over ``None``; raise an error that one hands over."""
    while threads:
        part = found.get()
        if isinstance(part, BaseException):
            raise part
        if part is None:
            threads -= 1
        else:
            yield part
