"""Record the files that code opens for reading while it runs."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_robustness.core.content.origin import Origin, origin, origin_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

_CODE = frozenset({".py", ".pyc", ".pyi"})
# What the operating system says of the machine is read by many libraries, and differs from moment to moment.
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/run/", "/etc/", "/usr/lib/", "/usr/share/")
# Each gets the paths that are opened while it is here, in order; an audit hook stays until the process ends.
_recorders: list[dict[str, None]] = []
# What was opened, while a recorder was there, by the import of a file: Python runs that only once.
_at_import: dict[str, dict[str, None]] = {}


@contextlib.contextmanager
def recorded() -> Iterator[list[Path]]:
    """Record what this process opens for reading within the block; the list is filled when the block ends.

    It has each regular file once, in the order of opening: also those that a database or a shared library was opened
    from, and none of Python's code, of the folders that packages are installed to, or of the operating system. What
    compiled code opens by itself goes unseen, as safetensors and the engines do, and so does what child processes open.
    """
    _install()
    opened: dict[str, None] = {}
    files: list[Path] = []
    try:
        _recorders.append(opened)
        yield files
    finally:
        try:
            _forget(opened)
        except BaseException:  # of a signal's handler, in the midst
            _forget(opened)
            raise
        files += [path for path in map(Path, opened) if _counts(path)]


def _forget(opened: dict[str, None]) -> None:
    # By identity: another recorder may hold the same paths.
    _recorders[:] = [recorder for recorder in _recorders if recorder is not opened]


def opened_at_import(module: ModuleType) -> list[Path]:
    """Return the files that were recorded while ``module``, or a module of the user's that it uses, was imported."""
    known = {module.__name__: module}
    pending = [module]
    while pending:
        for value in list(vars(pending.pop()).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            used = sys.modules.get(name) if isinstance(name, str) else None
            if isinstance(used, ModuleType) and used.__name__ not in known and origin(used.__name__) is Origin.USER:
                known[used.__name__] = used
                pending.append(used)
    paths = [path for used in known.values() for path in _at_import.get(getattr(used, "__file__", None) or "", {})]
    return [path for path in map(Path, dict.fromkeys(paths)) if _counts(path)]


@functools.cache
def _install() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _recorders or event not in _EVENTS:
        return
    path = arguments[0]
    if isinstance(path, str | bytes | os.PathLike) and (event != "open" or _reads(*arguments[1:3])):
        try:
            absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (Path.absolute keeps "..")
        except (OSError, ValueError):
            return
        for recorder in _recorders:
            recorder[absolute] = None
        for file in _files_being_imported():
            _at_import.setdefault(file, {})[absolute] = None


def _files_being_imported() -> Iterator[str]:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        file = frame.f_globals.get("__file__")
        if frame.f_code.co_name == "<module>" and isinstance(file, str):
            yield file


_EVENTS = frozenset({"open", "sqlite3.connect", "ctypes.dlopen"})


def _reads(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return "r" in mode
    return isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) in (os.O_RDONLY, os.O_RDWR)


def _counts(path: Path) -> bool:
    if str(path).startswith(_SYSTEM):
        return False
    try:
        regular = path.is_file()
    except (OSError, ValueError):
        _log.debug("%s cannot be looked at", path, exc_info=True)
        return False
    return regular and path.suffix not in _CODE and origin_of_file(str(path)) is Origin.USER
