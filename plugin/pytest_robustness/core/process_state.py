"""State of the whole process that a user's code may change: read before a call of it, restored after.

A model's factory that changes the current directory, closes standard output or sets an environment variable would take
the run, or another model's figures, with it. Each kind of state is an `Aspect`. `ASPECTS` needs the standard library
alone; where NumPy, PyTorch and Pillow are imported already, theirs are covered too.
"""

from __future__ import annotations

import contextlib
import gc
import locale
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core import environment
from pytest_robustness.core.generators import GENERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

_log = logging.getLogger(__name__)


class Aspect(NamedTuple):
    """One kind of state.

    Parameters
    ----------
    name
        What messages call it; empty where a change is usual, restored, and not worth a word.
    read
        Returns the state, compared by ``==``.
    restore
        Takes what ``read`` returned.
    differing
        Returns what differs between two states, in a few words; ``None`` where the name says it all.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    differing: Callable[[Any, Any], str] | None = None


@contextlib.contextmanager
def restored(aspects: Sequence[Aspect]) -> Generator[list[str]]:
    """Restore what the block changes of ``aspects``; yield a list that holds their names afterwards.

    Only a process's main thread can restore the handlers of signals. What cannot be restored is named as well.
    """
    before = states(aspects)
    changed: list[str] = []
    try:
        with environment.packages_noticed():
            yield changed
    finally:
        try:
            put_back(before, changed)
        except BaseException:  # of a signal's handler, in the midst: the rest
            put_back(before, changed)
            raise
        finally:
            changed.reverse()


def states(aspects: Sequence[Aspect]) -> list[tuple[Aspect, Any]]:
    """Return each aspect with its state."""
    return [(aspect, _read(aspect)) for aspect in aspects]


def put_back(before: Sequence[tuple[Aspect, Any]], changed: list[str]) -> None:
    """Restore what is not as it was, and add its name to ``changed``."""
    # In reverse: standard output is replaced by one that works before descriptors are compared.
    for aspect, state in reversed(before):
        now = _read(aspect)
        if _same(now, state):
            continue
        if aspect.name:
            changed.append(aspect.name + (f" ({aspect.differing(now, state)})" if aspect.differing else ""))
        try:
            aspect.restore(state)
        except Exception:  # whatever the user's code did to it
            _log.debug("%s cannot be restored", aspect.name, exc_info=True)


class Standing:
    """Stands for a stream while a user's code runs, which can therefore not close it.

    Parameters
    ----------
    stream
        What gets everything else.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._over = False

    def end(self) -> None:
        """Note that the call is over; another thread may have kept this, and put it back later."""
        self._over = True

    @staticmethod
    def behind(stream: Any) -> Any:
        """Return ``stream``, or what it stood for in a call that is over."""
        while isinstance(stream, Standing) and stream._over:
            stream = stream._stream
        return stream

    def close(self) -> None:
        """Leave the stream open."""

    def detach(self) -> Any:
        """Return the stream's buffer, from which it is not detached."""
        return self._stream.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)

    def __enter__(self) -> Standing:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@contextlib.contextmanager
def streams_kept() -> Generator[None]:
    """Keep ``sys.stdout`` and ``sys.stderr`` open, and restore them."""
    streams = Standing.behind(sys.stdout), Standing.behind(sys.stderr)
    standing = tuple(None if stream is None else Standing(stream) for stream in streams)
    sys.stdout, sys.stderr = standing
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for each in filter(None, standing):
            each.end()


def _read(aspect: Aspect) -> Any:
    try:
        return aspect.read()
    except Exception:  # the current directory is gone, say
        _log.debug("%s cannot be read", aspect.name, exc_info=True)
        return None


def _same(state: Any, before: Any) -> bool:
    if state is before:
        return True
    try:
        return bool(state == before)
    except Exception:
        _log.debug("a state cannot be compared", exc_info=True)
        return False


def _set_list(name: str) -> Callable[[list[Any]], None]:
    def restore(before: list[Any]) -> None:
        # The list itself stays, because others hold it.
        current = getattr(sys, name)
        current[:] = before

    return restore


def _restore_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    # Python remembers which warnings were shown by the version of the filters.
    mutated = getattr(warnings, "_filters_mutated", None) or getattr(warnings, "_filters_mutated_lock_held", None)
    if mutated is not None:
        mutated()


_SIGNALS: Final = sorted(signal.valid_signals())


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in _SIGNALS]


def _restore_handlers(before: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, before, strict=True):
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _descriptors() -> list[tuple[int, int] | None]:
    return [_file_of(number) for number in range(3)]


def _file_of(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def descriptors_kept() -> Generator[list[str]]:
    """Restore standard input, output and error where the block closed or replaced their descriptors, and name them."""
    before = _descriptors()
    changed: list[str] = []
    copies = [os.dup(number) if file is not None else -1 for number, file in enumerate(before)]
    try:
        yield changed
    finally:
        for number, (file, copy) in enumerate(zip(before, copies, strict=True)):
            if file is None:
                continue
            if _file_of(number) != file and _file_of(copy) == file:
                os.dup2(copy, number)
                changed.append(f"file descriptor {number}")
            with contextlib.suppress(OSError):
                os.close(copy)


def _of(module: str, *names: str) -> Aspect:
    """Return the aspect of attributes of a module, which is left alone where it is not imported."""

    def read() -> Any:
        loaded = sys.modules.get(module)
        return None if loaded is None else [getattr(loaded, name, None) for name in names]

    def restore(before: list[Any] | None) -> None:
        loaded = sys.modules[module]
        # Imported by the call itself: as it is where nobody has changed it.
        for name, value in zip(names, before or [_INITIAL.get(name) for name in names], strict=True):
            setattr(loaded, name, value)

    def changed() -> Any:
        state = read()
        return None if state == [_INITIAL.get(name) for name in names] else state

    return Aspect(f"{module}.{' and '.join(names)}", changed, restore)


_INITIAL: Final = {"LOAD_TRUNCATED_IMAGES": False, "MAX_IMAGE_PIXELS": (1024 * 1024 * 1024 // 4 // 3)}


def _numpy_errors() -> Any:
    numpy = sys.modules.get("numpy")
    return None if numpy is None else numpy.geterr()


def _restore_numpy_errors(before: Any) -> None:
    if before is not None:
        sys.modules["numpy"].seterr(**before)


ASPECTS: Final = (
    Aspect("sys.argv", lambda: list(sys.argv), _set_list("argv")),
    Aspect("sys.path", lambda: list(sys.path), _set_list("path")),
    Aspect("the current directory", os.getcwd, os.chdir),
    Aspect("environment variables", environment.read, environment.restore, environment.changed_names),
    Aspect("warnings.showwarning", lambda: warnings.showwarning, lambda it: setattr(warnings, "showwarning", it)),
    Aspect("signal handlers", _handlers, _restore_handlers),
    Aspect("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Aspect("the thread switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Aspect("sys.excepthook", lambda: sys.excepthook, lambda it: setattr(sys, "excepthook", it)),
    Aspect("threading.excepthook", lambda: threading.excepthook, lambda it: setattr(threading, "excepthook", it)),
    Aspect(
        "the locale", lambda: locale.setlocale(locale.LC_ALL), lambda before: locale.setlocale(locale.LC_ALL, before)
    ),
    Aspect("garbage collection", gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable()),
    Aspect("the default timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Aspect("logging.disable", lambda: logging.root.manager.disable, logging.disable),
    Aspect("the level of the root logger", lambda: logging.root.level, logging.root.setLevel),
    _of("PIL.ImageFile", "LOAD_TRUNCATED_IMAGES"),
    _of("PIL.Image", "MAX_IMAGE_PIXELS"),
    Aspect("NumPy's handling of floating-point errors", _numpy_errors, _restore_numpy_errors),
    # Many packages add filters when they are imported.
    Aspect("", lambda: list(warnings.filters), _restore_filters),
    # Drawing random numbers is what random generators are for.
    *(Aspect("", generator.read, generator.restore) for generator in GENERATORS),
)
