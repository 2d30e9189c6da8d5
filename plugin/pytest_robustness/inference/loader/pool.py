"""Decoding processes: a pool of workers that answer requests, in order and a little ahead.

The workers start from a fork server, because a process that has threads or a CUDA context may hang when it is forked.
The server imports torch once, which takes about 3 seconds; each worker then starts in a fraction of a second.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pytest_robustness.core.process import stopping_handlers
from pytest_robustness.errors import DataError, RobustnessError, cause
from pytest_robustness.inference.loader import fork_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future
    from multiprocessing.context import BaseContext
    from multiprocessing.synchronize import Event
    from types import FrameType

Request = TypeVar("Request")
Answer = TypeVar("Answer")

# Requests that are out per worker: the one it works on, and the next.
_AHEAD = 2
# Windows cannot wait for more processes at once.
_MOST_ON_WINDOWS = 61


def answers(
    read: Callable[[Request], Answer], requests: Iterator[Request], workers: int
) -> Generator[Answer, None, None]:
    """Yield ``read(request)`` for every request, in order.

    Without workers, a request is taken when its answer is asked for; with workers, up to two per worker are taken
    ahead. The processes end when the generator ends or is closed; each finishes the request that it works on.

    Raises
    ------
    DataError
        When ``read`` cannot be sent to a process, raises an unexpected error there, or a process dies.
    """
    if not workers:
        yield from map(read, requests)
        return
    if sys.platform == "win32":
        workers = min(workers, _MOST_ON_WINDOWS)
    with interrupts_held():
        context = _context()
        closing = context.Event()
        pool = ProcessPoolExecutor(workers, context, _start_worker, (read, closing))
    try:
        yield from _in_order(pool, requests, _AHEAD * workers)
    except BrokenProcessPool as error:
        raise DataError(
            "A decoding process died. Use fewer --robustness-workers where memory is short, or 0 to decode in the main "
            "process and see where it fails. A script that calls pytest.main() needs if __name__ == '__main__' before "
            "it, because decoding processes import the script."
        ) from error
    finally:
        with interrupts_held():
            closing.set()
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C, and other signals with handlers in Python, until the block ends; a second one takes effect at once.

    Python calls a handler, which may raise an exception, between any two instructions. Raised just after the pool's
    queues or futures have taken a lock, and before the ``with`` statement that releases it, the exception would leave
    the lock taken, and shutting the pool down would wait for it forever.
    """
    handlers = stopping_handlers()
    held: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        held.append(number)
        signal.signal(number, handlers[number])

    for number in handlers:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if number not in held:
                signal.signal(number, handler)
        with contextlib.ExitStack() as later:  # all of them, also where the handler of the first raises an exception
            for number in reversed(held):
                later.callback(signal.raise_signal, number)


def _in_order(pool: ProcessPoolExecutor, requests: Iterator[Request], ahead: int) -> Generator[Any, None, None]:
    pending: deque[Future[Any]] = deque()
    with interrupts_held():
        _fill(pending, pool, requests, ahead)
    while pending:
        with interrupts_held():
            answer = pending.popleft().result()
            _fill(pending, pool, requests, ahead)
        yield answer


def _fill(pending: deque[Future[Any]], pool: ProcessPoolExecutor, requests: Iterator[object], size: int) -> None:
    """Submit requests until ``size`` are pending."""
    for request in itertools.islice(requests, size - len(pending)):
        try:
            pending.append(pool.submit(_answer, request))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise DataError(
                f"The dataset cannot be sent to a decoding process: {error}. Make it picklable (no lambda, no open "
                f"file), or use --robustness-workers=0."
            ) from error


def _context() -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    fork_server.start(["pytest_robustness.inference.loader.loader"])
    return multiprocessing.get_context("forkserver")


# What the requests of this process share, if it is a worker: a pool has no other place for it.
_shared: dict[str, Any] = {}


def _start_worker(read: Callable[[Any], Any], closing: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all processes; the parent handles it
    fork_server.end_with_parent()
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _shared.update(read=read, closing=closing)


def _end_with_parent() -> None:
    """End this process when its parent dies: the pool would leave it waiting for requests forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(request: object) -> Any:
    if _shared["closing"].is_set():
        return None  # nobody waits for it
    try:
        return _shared["read"](request)
    except RobustnessError:
        raise
    except Exception as error:  # sent as text: a user's exception may not survive pickling
        raise DataError(cause(error)) from error
