"""A deadline for a batch: code of a user that takes longer is given up, or else the process is ended."""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

_exit = os._exit
# Seconds that code may take to return to Python after its deadline.
_GRACE = 10.0


class TooLongError(BaseException):
    """Code passed its deadline; no ``except Exception`` of that code stops this."""


class _Stderr:
    """Where the end of the process is explained: a descriptor that pytest does not capture, if there is one."""

    descriptor = 2


def keep_stderr() -> None:
    """Remember where standard error goes now, before pytest captures it."""
    with contextlib.suppress(OSError):
        _Stderr.descriptor = os.dup(2)


@contextlib.contextmanager
def deadline(seconds: float | None, what: str) -> Generator[None]:
    """Raise `TooLongError` in the block after ``seconds``; ``None`` sets no deadline.

    The error can be raised in the main thread alone, where there is ``SIGALRM``, and once the code returns to Python.
    Where it has not after some seconds more, the process ends with a message that names ``what``, and the stacks of all
    threads.
    """
    if seconds is None:
        yield
        return
    grace = min(_GRACE, seconds)
    over = _thread.allocate_lock()

    def watch() -> None:
        if not over.acquire(timeout=seconds + grace):
            _end(what, seconds)

    # Ctrl-C may come after any call, and must leave nothing behind that ends the process later. Each of these is one
    # step; a threading.Timer is started and cancelled in several, and may be left running.
    over.acquire()
    try:
        _thread.start_new_thread(watch, ())
        # A thread of Python cannot run while other code holds the lock of the interpreter; this one can.
        faulthandler.dump_traceback_later(seconds + 2 * grace, exit=True, file=_Stderr.descriptor)
        with _alarm(seconds):
            yield
    finally:
        try:
            over.release()
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _alarm(seconds: float) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    handler, (others, interval) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    started = time.monotonic()
    try:
        signal.signal(signal.SIGALRM, _raise)
        # Again after a while, should the code catch every exception.
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        yield
    finally:
        left = others and max(others - (time.monotonic() - started), 1e-3)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            try:
                signal.signal(signal.SIGALRM, handler)
            finally:
                signal.setitimer(signal.ITIMER_REAL, left, interval)  # another plugin's timer goes on


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (of every signal handler)
    raise TooLongError


def _end(what: str, seconds: float) -> None:
    text = (
        f"\nrobustness: {what} takes longer than --robustness-timeout={seconds:g} allows and does not return to "
        f"Python. The process ends here; the next run names the model again. The stacks of all threads:\n"
    )
    with contextlib.suppress(OSError):
        os.write(_Stderr.descriptor, text.encode())
        faulthandler.dump_traceback(_Stderr.descriptor)
    _exit(1)
