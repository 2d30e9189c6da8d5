"""Do many small pieces of work on several threads, so that an interrupt ends them whenever it comes.

A `KeyboardInterrupt` may be raised between any two steps of the main thread, also where it has just taken a lock of an
executor: its threads then wait for that lock, and the executor for its threads, for ever. Here the main thread takes no
lock that the others need, and waits for none of them once it was interrupted.
"""

from __future__ import annotations

import _thread
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


def in_threads(work: Callable[[int], _Result], count: int, threads: int) -> Iterator[tuple[int, _Result]]:
    """Yield each number of ``range(count)`` with what ``work`` returns for it, in whatever order they are done.

    With one thread the caller's does the work, in order. Otherwise a caller who stops early leaves each thread to end
    after the piece that it is at; what ``work`` raises is raised here.
    """
    if min(threads, count) <= 1:
        yield from ((number, work(number)) for number in range(count))
        return
    together = max(1, min(_TOGETHER, count // (_SHARES * threads)))
    # A range's iterator and a simple queue are each one step of C: no interrupt leaves them half done.
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
