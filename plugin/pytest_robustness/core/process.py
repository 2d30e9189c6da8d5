"""Settings of the whole Python process, which every other plugin and test shares."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

# Taken now: while a model is called, which is most of the time, os._exit is one that only raises an exception.
_exit = os._exit
# About 10 µs: long enough to catch PyTorch's next operation. libgomp's default of 300,000 spins for over a millisecond
# and takes the core from other threads and processes (docs/performance.md).
_SPIN_COUNT = "3000"
_LOOK_SECONDS = 0.5
# Schedulers of CI kill ten seconds after they asked a process to end. A batch takes less than this.
_SAVE_SECONDS = 5.0
# This process, while its main thread is in `ended_as_interrupted`; one that is forked there has another number.
_saving: set[int] = set()
# Those whose handlers stop what runs: Ctrl-C, the time limits of other plugins, requests to end. Windows lacks some.
_STOPPING = ("SIGINT", "SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Disable garbage collection during heavy imports, then exclude what they created from later collections.

    ``gc.freeze`` moves every object that exists at the end of the block, ours or not, to the permanent generation: it
    is still freed when its last reference goes, but a reference cycle among these objects is never collected. It is
    called only if the block imported a module. PyTorch's million objects would otherwise be scanned, for a third of a
    second, whenever pytest or a library collects garbage, and when Python exits. Ctrl-C waits for the end of the block:
    what is imported in half stays so, and a notebook could not go on.
    """
    enabled, modules = gc.isenabled(), len(sys.modules)
    try:
        gc.disable()
        with interrupts_held():
            yield
    finally:
        try:
            if len(sys.modules) > modules:
                gc.freeze()
        finally:
            if enabled:
                gc.enable()


def limit_openmp_spin() -> None:
    """Set the environment variable ``GOMP_SPINCOUNT``: how long GNU OpenMP's threads spin before they sleep.

    It is left alone if the environment has it, or ``OMP_WAIT_POLICY``. Child processes inherit it. OpenMP reads it when
    PyTorch is imported, so that it has no effect afterwards.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPIN_COUNT


def end_with_parent(asked: Callable[[], bool] = lambda: False) -> None:
    """End this process when the one that started it is gone; looked for twice a second, by a thread.

    What runs in `ended_as_interrupted` has some seconds to keep what it did; else the end comes at once. Windows does
    not say that a parent is gone, so that nothing happens there.

    Parameters
    ----------
    asked
        Whether what runs in `ended_as_interrupted` is to be interrupted now, while the parent lives.
    """
    parent = os.getppid()

    def watch() -> None:
        interrupted = False
        while os.getppid() == parent:
            if not interrupted and asked():
                interrupted = True
                _interrupt()
            time.sleep(_LOOK_SECONDS)
        _interrupt()
        _exit(1)

    threading.Thread(target=watch, name="robustness-parent", daemon=True).start()


def _interrupt() -> None:
    """Interrupt what the main thread does in `ended_as_interrupted`, if it is there, and wait for its end."""
    if not _saves():
        return
    os.kill(os.getpid(), signal.SIGTERM)
    latest = time.monotonic() + _SAVE_SECONDS
    while _saves() and time.monotonic() < latest:
        time.sleep(_LOOK_SECONDS / 10)


def _saves() -> bool:
    # The handler does not tell: while a user's code is called, another stands before it.
    return os.getpid() in _saving


def stopping_handlers() -> dict[int, Callable[..., Any]]:
    """Return, by signal, the functions of Python that may stop what runs by an exception; none in another thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in _STOPPING if hasattr(signal, name)]
    return {number: handler for number in numbers if callable(handler := signal.getsignal(number))}


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C, and other signals with handlers in Python, until the block ends; a second one takes effect at once.

    Python calls a handler, which may raise an exception, between any two instructions. Raised just after the queues or
    futures of a pool have taken a lock, and before the ``with`` statement that releases it, the exception would leave
    the lock taken, and shutting the pool down would wait for it forever. Raised inside an import, it would leave a
    package half imported, for as long as the process lives.
    """
    handlers: dict[int, Any] = {**stopping_handlers()}
    held: list[int] = []
    holding = True

    def hold(number: int, _: FrameType | None) -> None:
        if holding:
            held.append(number)
        signal.signal(number, handlers[number])
        # The exception of another handler may come while handlers are set, and leave this one for good.
        if not holding:
            signal.raise_signal(number)

    try:
        for number in [*handlers]:
            handlers[number] = signal.signal(number, hold)
        yield
    finally:
        # All of them, also where the handler of the first raises an exception. None is called before its signal has it
        # again: it may set another one, which stays.
        try:
            with contextlib.ExitStack() as restored:
                for number in handlers.keys() - held:
                    restored.callback(signal.signal, number, handlers[number])
        finally:
            holding = False
            with contextlib.ExitStack() as later:
                for number in reversed(held):
                    later.callback(signal.raise_signal, number)


@contextlib.contextmanager
def ended_as_interrupted(concerned: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Have SIGTERM interrupt the block as Ctrl-C does, once: schedulers of clusters send it before they kill.

    By itself it ends a process at once, with all that it had not saved yet. Where somebody handles it already, and in
    another thread than the main one, nothing changes; nor where ``concerned``, asked when it comes, says that nothing
    is lost.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    owner, asked = os.getpid(), False

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal asked
        # A child of a user's code, whose parent asks it to end, is not this block's; nor is what comes after the block,
        # where the exception of another handler came while this one was unset.
        if not _saves() or not (asked or concerned()):
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if not asked:
            asked = True
            raise KeyboardInterrupt

    try:
        _saving.add(owner)
        signal.signal(signal.SIGTERM, interrupt)
        yield
    finally:
        _saving.discard(owner)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Turn:
    """Whose turn it is to change state of the whole process, and whose to change filters of warnings alone."""

    lock = threading.RLock()
    filters = threading.RLock()

    @classmethod
    def renew(cls) -> None:
        """Forget, in a process that was just forked, the threads that it has not got."""
        cls.lock, cls.filters = threading.RLock(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Turn.renew)


@contextlib.contextmanager
def one_thread(inner: AbstractContextManager[object]) -> Iterator[None]:
    """Return a context that no other thread is in at the same time, around another; a thread may enter several.

    State of the whole process, a standard stream or PyTorch's precision, is set and put back in such a context. Of two
    threads that do so at once, the one that ends last would put back what the other had set, for good.

    Parameters
    ----------
    inner
        Entered and left while this thread has its turn.
    """
    # A lock that ``with`` takes itself is given back, whenever Ctrl-C comes; after a call of its methods it may not be.
    with _Turn.lock, inner:
        yield


@contextlib.contextmanager
def warnings_ignored(category: type[Warning] = Warning, message: str = "") -> Iterator[None]:
    """Ignore warnings within the block, all or those of a category or a text; threads wait for one another.

    Python's filters are of the whole process. Of two threads that set them at once, the one that ends first would put
    back what warned before, and the one that ends last would leave what the other had set.
    """
    with _Turn.filters, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message, category=category)
        yield


@contextlib.contextmanager
def working_in(folder: Path | None) -> Iterator[None]:
    """Run the block with ``folder`` as the current directory, so that relative paths start there; ``None``: as it is.

    Where the directory before it no longer exists, ``folder`` stays the current one.
    """
    if folder is None:
        yield
        return
    before, missing = None, contextlib.suppress(FileNotFoundError)
    with missing:
        before = Path.cwd()
    try:
        os.chdir(folder)
        yield
    finally:
        if before is not None:
            try:
                with missing:
                    os.chdir(before)
            except BaseException:  # of a signal's handler, before it was called
                with missing:
                    os.chdir(before)
                raise
