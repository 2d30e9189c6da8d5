"""Image files in a storage that a URL names."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import decoded
from pytest_robustness.data.encoded import EncodedImages
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.listed_tree import ListedTree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.data.files.storage import Located


@dataclasses.dataclass(frozen=True, eq=False)
class RemoteFiles(EncodedImages):
    """`EncodedImages` in a storage.

    ``paths`` holds each file's path below ``url``, as bytes [N]. ``infos`` is what the storage said when they were
    listed, of each; other processes do not get it.
    """

    url: str
    paths: NDArray[np.bytes_]
    infos: Sequence[Mapping[str, Any]] | None = None

    @property
    def in_memory(self) -> bool:
        """Whether the files are in this process, as those of ``memory://``."""
        return storage.is_private(self.url)

    @property
    def at_a_time(self) -> int:
        """How many files to ask for at a time."""
        return storage.locate(self.url).at_a_time

    def content(self, index: int) -> bytes:
        """Return the content of the file."""
        return storage.content(self.url, self._path(storage.locate(self.url), index))

    def describe(self, index: int) -> str:
        """Return the file's URL, in which no sign is escaped."""
        return decoded(f"{self.url.rstrip('/')}/{shown(self.url, self._name(index))}")

    def key(self, index: int) -> str:
        """Return the file's path below the folder of its class, or below the root where it lies in no folder."""
        path = shown(self.url, self._name(index))
        return decoded(path.partition("/")[2] or path)

    def digests(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hash of each file, or why it cannot be read; a known version of a file is not read again."""
        where = storage.locate(self.url)
        paths = [self._path(where, index) for index in indices]
        infos = [self.infos[index] for index in indices] if self.infos is not None else [{}] * len(paths)
        versions = storage.statuses(where, paths, infos, time.time())
        places = [f"{self.url.rstrip('/')}/{self._name(index)}".encode("utf-8", "surrogateescape") for index in indices]
        return hashes.remembered(
            places, versions, lambda item: self.content(int(indices[item])), threads=where.at_a_time
        )

    def _name(self, index: int | np.int64) -> str:
        name: bytes = self.paths[index]
        return name.decode("utf-8", "surrogateescape")

    def _path(self, where: Located, index: int | np.int64) -> str:
        return below(where.path, self._name(index))

    def __reduce__(self) -> tuple[Callable[..., RemoteFiles], tuple[str, NDArray[np.bytes_]]]:
        return RemoteFiles, (self.url, self.paths)


def remote_tree(url: str, layout: str) -> ListedTree:
    """List all files below ``url``, once.

    Raises
    ------
    DataError
        It cannot be listed, is a file, or holds none. The message says that ``layout`` was expected.
    """
    import numpy as np

    listed = listing(url)
    if not listed:
        raise DataError(f"{decoded(url)} holds no file, or does not exist. Expected {layout}.")
    if "" in listed:
        raise DataError(f"{decoded(url)} is a file, not a folder. Expected {layout}.")
    names = {shown(url, name): name for name in listed}

    def images(paths: Sequence[str]) -> RemoteFiles:
        chosen = [names[path] for path in paths]
        encoded = np.asarray([name.encode("utf-8", "surrogateescape") for name in chosen])
        return RemoteFiles(url, encoded, [listed[name] for name in chosen])

    return ListedTree(decoded(url.rstrip("/")), [*names], images)


def listing(url: str) -> dict[str, Mapping[str, Any]]:
    """Return what the storage says of each file below ``url``, by its path there; "" is ``url`` itself, a file."""

    def find(where: Located) -> dict[str, Mapping[str, Any]]:
        root = where.path.rstrip("/")
        found = where.system.find(where.path, detail=True)
        files = {path: info for path, info in found.items() if info.get("type") != "directory"}
        return {path[len(root) :].strip("/"): info for path, info in files.items() if not path.endswith("/")}

    return storage.asked(url, find)


def below(root: str, name: str) -> str:
    """Return the path of ``name`` in the folder ``root`` of a storage."""
    return f"{root.rstrip('/')}/{name}" if root.strip("/") else name


def shown(url: str, name: str) -> str:
    """Return a file's name as people write it: web servers list names with escapes."""
    return unquote(name) if storage.protocol_of(url) in ("http", "https") and "::" not in url else name
