"""Reach files by URL, through fsspec: object stores, web servers, archives.

Connections belong to one process, and event loops do not survive a fork: nothing that is opened here is kept in a
source, and each process opens its own.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.core.file_hashes import FileStatus
from pytest_robustness.core.files import user_path
from pytest_robustness.core.text import printable
from pytest_robustness.core.threads import in_threads
from pytest_robustness.data.faults import NO_RANGES, of_the_network, reason_of, retried, without_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    from fsspec import AbstractFileSystem

    _Value = TypeVar("_Value")

_log = logging.getLogger(__name__)

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(://|::)")
_PACKAGES: Final[Mapping[str, str]] = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "abfss": "adlfs",
    "adl": "adlfs", "http": "aiohttp", "https": "aiohttp", "hf": "huggingface_hub", "oci": "ocifs", "oss": "ossfs",
    "sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol", "webdav": "webdav4", "tos": "tosfs",
}  # fmt: skip
_OF_THE_EXTRA: Final = frozenset(("s3fs", "aiohttp"))
_OF_ARCHIVES: Final = frozenset(("zip", "tar"))
_CREDENTIALS: Final[Mapping[str, str]] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or FSSPEC_S3_ANON=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or FSSPEC_GS_TOKEN=anon for a public bucket",
    "hf": "HF_TOKEN",
}
# What says that content has changed: names of entries of `info`, in lower case; digests of the content come first.
_CONTENT: Final = ("etag", "md5hash", "crc32c", "content_md5", "content-md5", "checksum", "blob_id", "sha", "oid",
                   "crc", "versionid", "generation", "version")  # fmt: skip
_TIMES: Final = ("mtime", "lastmodified", "last-modified", "last_modified", "updated", "modified", "created")
_SETTLED_SECONDS: Final = 2.0


class Located(NamedTuple):
    """A place in a storage: the file system that reaches it, and its path there."""

    system: AbstractFileSystem
    path: str

    @property
    def at_a_time(self) -> int:
        """How many files to read at a time: many over a network."""
        return 16 if getattr(self.system, "async_impl", False) else 1


def is_url(text: str) -> bool:
    r"""Return whether a user wrote a URL, and no path.

    >>> [is_url(text) for text in ("s3://bucket/x", "zip::s3://b/x.zip", "photos", r"C:\photos", "a:b")]
    [True, True, False, False, False]
    """
    return _URL.match(text) is not None


def local_path(text: str) -> Path | None:
    """Return the path on this machine that a user wrote, also as ``file://``; ``None`` for the URL of another place."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in ("file", "local"):
        return user_path(rest).absolute()
    return None if is_url(text) else user_path(text).absolute()


def protocol_of(url: str) -> str:
    """Return the protocol at the end of a URL's chain: ``s3`` of ``zip::s3://bucket/photos.zip``."""
    return url.rpartition("::")[2].partition("://")[0].lower()


def is_private(url: str) -> bool:
    """Return whether this process alone can read ``url``."""
    return "memory" in re.split(r"://|::", url)


def locate(url: str) -> Located:
    """Return the file system of ``url`` in this process, and the path there.

    Raises
    ------
    DataError
        The protocol is not known, its package is not installed, or its configuration is not valid.
    """
    try:
        return _located(url, os.getpid())
    except Exception as error:
        raise refused(url, error) from error


@functools.lru_cache(256)
def _located(url: str, process: int) -> Located:  # noqa: ARG001 (a forked process must connect itself)
    import fsspec

    return Located(*fsspec.core.url_to_fs(url))


def asked(url: str, question: Callable[[Located], _Value]) -> _Value:
    """Return the answer of a storage; a network that fails is asked again.

    Raises
    ------
    DataError
        It cannot be reached, denies access, or has no such place. It says what to do.
    """
    where = locate(url)
    try:
        return retried(lambda: question(where))
    except DataError:
        raise
    except Exception as error:  # clients raise errors of their own
        raise refused(url, error) from error


def content(url: str, path: str, start: int | None = None, end: int | None = None) -> bytes:
    """Return the bytes from ``start`` to ``end`` of a file, of which ``path`` is the place in the storage of ``url``.

    Raises
    ------
    OSError
        They cannot be read.
    """
    system = locate(url).system
    try:
        data: bytes = retried(lambda: system.cat_file(path, start=start, end=end))
    except MemoryError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(2, "No such file") from error
    except Exception as error:  # clients raise errors of their own
        _log.debug("%s cannot be read", path, exc_info=True)
        if without_ranges(error):
            raise OSError(NO_RANGES) from error
        raise OSError(f"{type(error).__name__}: {reason_of(error)}") from error
    if start is not None and end is not None and len(data) != end - start:
        counts = f"{len(data):,} bytes came where {end - start:,} were asked for"
        raise OSError(f"{counts}: {'the file has changed' if len(data) < end - start else NO_RANGES}")
    return data


def status_in(info: Mapping[str, Any], now: float) -> FileStatus | None:
    """Return what tells versions of a file apart, by what its storage says of it; ``None`` where nothing does.

    A time alone does not count within two seconds before ``now`` (seconds since 1970): the file may change once more.
    """
    known = {str(name).lower(): value for name, value in info.items() if value not in (None, "")}
    size = int(known["size"]) if isinstance(known.get("size"), int) else -1
    digests = [f"{name}={known[name]}" for name in _CONTENT if name in known]
    times = [name for name in _TIMES if name in known]
    if not digests and not (times and now - _seconds(known[times[0]]) > _SETTLED_SECONDS):
        return None
    return FileStatus.of_version(size, " ".join([*digests, *(f"{name}={known[name]}" for name in times)]))


def _seconds(moment: object) -> float:
    """Return a time in seconds since 1970; infinity where it is in no known form."""
    import datetime as dt
    import email.utils

    if isinstance(moment, int | float):
        return float(moment)
    try:
        if isinstance(moment, str):
            if re.match(r"\d{4}-", moment):
                moment = dt.datetime.fromisoformat(moment)
            else:
                moment = email.utils.parsedate_to_datetime(moment)
        if isinstance(moment, dt.datetime):
            aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
            return aware.timestamp()
    except ValueError:
        _log.debug("%r is no time", moment, exc_info=True)
    return float("inf")


def refused(url: str, error: BaseException) -> DataError:
    """Return the error for a place that cannot be read: what is wrong, and what to do."""
    _log.debug("%s cannot be read", url, exc_info=error)
    shown = printable(url)
    protocol = protocol_of(url)
    said = printable(f"{type(error).__name__}: {reason_of(error)}", 500)
    if protocol in _OF_ARCHIVES:
        return DataError(
            f"{shown} names no archive, but a place in one. Write {protocol}://:: before the path or the URL of the "
            f"archive: {protocol}://::photos.{protocol}."
        )
    if isinstance(error, ImportError):
        return DataError(f"{shown} needs a package that is not installed. Run: {_install(protocol, error)}")
    if isinstance(error, ValueError) and "rotocol not known" in str(error):
        from fsspec import available_protocols

        known = ", ".join(sorted(available_protocols()))
        return DataError(f"{shown} has a protocol that fsspec does not know. Known: {known}.")
    if isinstance(error, FileNotFoundError):
        return DataError(f"{shown} does not exist: there is no such bucket, folder or file. Check the spelling.")
    if isinstance(error, PermissionError) or _denied(error):
        how = _CREDENTIALS.get(protocol, "see the documentation of fsspec's file system")
        return DataError(f"{shown} may not be read: {said}. Give credentials in the environment: {how}.")
    if without_ranges(error):
        return DataError(f"{shown} cannot be read in parts: {NO_RANGES}.")
    if of_the_network(error):
        return DataError(f"{shown} cannot be reached: {said}. Check the address and the network, and run again.")
    return DataError(f"{shown} cannot be read: {said}.")


def _denied(error: BaseException) -> bool:
    return type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError") or (
        getattr(error, "status", None) in (401, 403)
    )


def _install(protocol: str, error: ImportError) -> str:
    package = _PACKAGES.get(protocol, "")
    if package in _OF_THE_EXTRA:
        return pip_install("cloud")
    return f"pip install {package}" if package else f"what fsspec says: {printable(str(error))}"


def statuses(
    where: Located, paths: Sequence[str], infos: Sequence[Mapping[str, Any]], now: float
) -> list[FileStatus | None]:
    """Return the status of each file: as it was listed, else asked for one by one."""
    found = [status_in(info, now) for info in infos]
    missing = [position for position, status in enumerate(found) if status is None]

    def ask(position: int) -> FileStatus | None:
        try:
            return status_in(retried(lambda: where.system.info(paths[position])), now)
        except Exception:  # it is read, then, and that says what is wrong
            _log.debug("%s has no status", paths[position], exc_info=True)
            return None

    for item, status in in_threads(lambda item: ask(missing[item]), len(missing), where.at_a_time):
        found[missing[item]] = status
    return found
