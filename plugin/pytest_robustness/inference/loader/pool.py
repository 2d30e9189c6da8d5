"""Decoding processes: a pool of workers that answer requests, in order and a little ahead.

The workers start from a fork server, because a process that has threads or a CUDA context may hang when it is forked.
The server imports torch once, which takes about 3 seconds; each worker then starts in a fraction of a second.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pytest_robustness.core.errors import DataError, RobustnessError, cause
from pytest_robustness.core.process import interrupts_held
from pytest_robustness.inference.loader import fork_server
from pytest_robustness.inference.loader.reach import UNPICKLABLE, not_sent, obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future
    from multiprocessing.context import BaseContext
    from multiprocessing.synchronize import Event

Request = TypeVar("Request")
Answer = TypeVar("Answer")

# Requests that are out per worker: the one it works on, and the next.
_AHEAD = 2
# Windows cannot wait for more processes at once.
_MOST_ON_WINDOWS = 61
_IN_MAIN = "Or decode in the main process (--robustness-workers=0, in Python workers=0)"


class _NoProcessError(Exception):
    """No decoding process could be started, or given what it needs."""


def answers(
    read: Callable[[Request], Answer],
    requests: Iterator[Request],
    workers: int,
    refused: Callable[[str], object] | None = None,
) -> Generator[Answer, None, None]:
    """Yield ``read(request)`` for every request, in order.

    Without workers, a request is taken when its answer is asked for; with workers, up to two per worker are taken
    ahead. The processes end when the generator ends or is closed; each finishes the request that it works on.

    Parameters
    ----------
    read
        Answers a request; what it holds is sent to each process.
    requests
        Taken in this process.
    workers
        Processes; 0 answers in this process.
    refused
        Receives why there can be no processes, whereupon this one answers. ``None``: that is an error, because somebody
        asked for them.

    Raises
    ------
    DataError
        When ``read`` cannot be sent to a process, raises an unexpected error there, or a process dies.
    """
    reason = obstacle(read) if workers and refused is not None else ""
    if not workers or reason:
        if refused is not None and reason:
            refused(reason)
        yield from map(read, requests)
        return
    unanswered: deque[Request] = deque()
    answered = False
    try:
        with contextlib.closing(_by_processes(read, _noted(requests, unanswered), workers)) as found:
            for answer in found:
                answered = True
                unanswered.popleft()
                yield answer
            return
    except (_NoProcessError, BrokenProcessPool) as error:
        # A process that dies later, which could be started, is an accident of its own.
        if answered or refused is None:
            raise DataError(_text(error, read, answered)) from error
        reason = str(error) if isinstance(error, _NoProcessError) else "the first ones died before they answered"
    refused(reason)
    yield from map(read, itertools.chain([*unanswered], requests))


def _text(error: Exception, read: object, answered: bool) -> str:
    """Return what to do where processes that were asked for do not answer; ``answered`` says whether they ever did."""
    why = "" if answered else obstacle(read)
    if why or isinstance(error, _NoProcessError):
        return f"Images cannot be decoded in processes: {why or error}. {_IN_MAIN}."
    return f"A decoding process died. Where memory is short, use fewer. {_IN_MAIN}, and see where it fails."


def _noted(requests: Iterator[Request], taken: deque[Request]) -> Iterator[Request]:
    for request in requests:
        taken.append(request)
        yield request


def _by_processes(
    read: Callable[[Request], Answer], requests: Iterator[Request], workers: int
) -> Generator[Answer, None, None]:
    if sys.platform == "win32":
        workers = min(workers, _MOST_ON_WINDOWS)
    with interrupts_held(), _starting():
        context = _context()
        closing = context.Event()
        pool = ProcessPoolExecutor(workers, context, _start_worker, (read, closing))
    try:
        yield from _in_order(pool, requests, _AHEAD * workers)
    finally:
        with interrupts_held():
            closing.set()
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Tell what goes wrong while a process is started from all else."""
    try:
        yield
    except BrokenProcessPool:
        raise
    except UNPICKLABLE as error:
        raise _NoProcessError(not_sent(error)) from error
    # A process that ends before it has read what it is sent; one that may start none; a system without semaphores.
    except (OSError, AssertionError, RuntimeError) as error:
        raise _NoProcessError(f"none could be started ({cause(error)})") from error


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
        with _starting():
            pending.append(pool.submit(_answer, request))


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
