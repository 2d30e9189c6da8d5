"""Read regular files alone, write files whole or not at all, and show paths as a user would type them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pytest_robustness.core.errors import OptionError, RobustnessError, short_path
from pytest_robustness.core.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_log = logging.getLogger(__name__)

__all__ = [
    "alone_in",
    "none_of_before",
    "open_regular",
    "publish",
    "publishing",
    "read_regular",
    "replacing",
    "short_path",
    "user_path",
    "write_atomically",
]


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of the file at ``path``, which may be a link to one.

    Raises
    ------
    OSError
        The file cannot be read, is larger than ``limit`` bytes, or is no regular file: a FIFO would wait for ever, a
        device may have no end.
    """
    with open_regular(path) as file:
        # Python makes room for all that is asked for; what the system shows as files, as in /proc, has no size.
        size = min(os.fstat(file.fileno()).st_size, limit)
        content = file.read(size + 1)
        if len(content) > size:
            content += file.read(limit - size)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit:,} bytes", str(path))
    return content


def open_regular(path: Path) -> BinaryIO:
    """Open the file at ``path`` for reading, if it is a regular file or a link to one.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file; devices are not even opened.
    """
    _require_regular(path, path.stat())
    # It may have been replaced since: opening a FIFO must not wait for its writer.
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        _require_regular(path, os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def _require_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is no regular file but a pipe, a socket or a device", str(path))


def user_path(text: str) -> Path:
    """Return the path that a user wrote, ``~`` as their home folder.

    Raises
    ------
    OptionError
        It begins with the name of a user whom this machine does not know.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        _log.debug("%s has no home folder", text, exc_info=True)
        raise OptionError(f"{quoted(text)}: this machine knows no such user. Write the path in full.") from error


def publish(texts: Mapping[str, str], folder: Path, option: str = "--robustness-report") -> list[Path]:
    """Write each of ``texts`` into ``folder``, which is created if it does not exist, and return the paths.

    Parameters
    ----------
    texts
        The content of each file by its name.
    folder
        The folder to write to.
    option
        The option that named the folder; an error suggests naming another one with it.

    Raises
    ------
    RobustnessError
        The folder cannot be written to.
    """
    with publishing(folder, option):
        for name, text in texts.items():
            write_atomically(folder / name, text)
    return [folder / name for name in texts]


@contextlib.contextmanager
def publishing(folder: Path, option: str = "--robustness-report") -> Iterator[None]:
    """Create ``folder``, and explain what keeps files from being written there within the block.

    Raises
    ------
    RobustnessError
        The folder cannot be written to; it suggests naming another one with ``option``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        _log.debug("%s cannot be written", folder, exc_info=True)
        raise RobustnessError(
            f"The report cannot be written to {folder}: {error.strerror}. Name another folder with {option}=DIR; "
            f"nothing has to be computed again."
        ) from error


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs from writing files that belong together into ``folder`` until the block ends; wait for them.

    The folder is created, and locked itself, so that no file of ours stays in it. Where it cannot be locked, as on
    Windows and on some file systems of a network, nobody waits: `replacing` still writes each file whole.
    """
    descriptor = None
    try:
        try:
            import fcntl

            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except (ImportError, OSError):
            _log.debug("%s cannot be locked", folder, exc_info=True)
        yield
    finally:  # no stack of contexts: one that Ctrl-C keeps from being left keeps the lock, and the next report waits
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def none_of_before(patterns: Iterable[str], folder: Path) -> Iterator[None]:
    """Remove the files of ``folder`` that ``patterns`` name, as ``Path.glob`` reads them, unless the block writes them.

    Where it fails, what it wrote before stays. Each file is to be written in a step, as `replacing` does.

    Raises
    ------
    RobustnessError
        A file cannot be removed.
    """
    former = {path: _version(path) for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    try:
        yield
    finally:
        stale = [path for path, version in former.items() if _version(path) == version]
        with publishing(folder) if stale else contextlib.nullcontext():
            for path in stale:
                path.unlink(missing_ok=True)


def _version(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        _log.debug("%s cannot be looked at", path, exc_info=True)
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the file at ``path`` in one step: readers see the old content or the new, even if this process dies.

    Parameters
    ----------
    path
        The file, in a folder that exists.
    content
        Text is encoded as UTF-8; a lone surrogate, which has no code there, becomes the escape that JSON has for it.

    Raises
    ------
    OSError
        The file cannot be written. What was at ``path`` is unchanged, and no other file is left behind.
    """
    with replacing(path) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of the one at ``path`` in one step, when the block ends without an error.

    Raises
    ------
    OSError
        As `write_atomically`.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
