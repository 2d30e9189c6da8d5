"""Image files in a folder of this machine, at any depth."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.files import open_regular, read_regular
from pytest_robustness.core.text import decoded
from pytest_robustness.data.decoding.kinds import instead
from pytest_robustness.data.files.class_folders import is_folder, is_hidden, list_files, require_apart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.data.encoded import EncodedImages
    from pytest_robustness.data.files.class_folders import LeftOut

LARGEST: Final = 2 << 30
"""Bytes; larger than any image that is decoded, and smaller than a file that only pretends to be one."""

_REASONS: Final[Mapping[type[OSError], str]] = {
    FileNotFoundError: "does not exist",
    NotADirectoryError: "is a file, not a folder",
}
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class LocalFiles:
    """`EncodedImages` in files.

    ``paths`` holds each file's path below ``root``, with forward slashes, as bytes [N]: a decoding
    process receives ImageNet's 1.28 million in 20 ms that way; a list of strings takes 0.4 s.
    """

    root: Path
    paths: NDArray[np.bytes_]
    in_memory: bool = False
    at_a_time: int = 1

    def content(self, index: int) -> bytes:
        """Return the content of the file."""
        return read_regular(self.path(index), LARGEST)

    def header(self, index: int) -> BinaryIO:
        """Open the file."""
        return open_regular(self.path(index))

    def describe(self, index: int) -> str:
        """Return the file's path."""
        return decoded(str(self.path(index)))

    def key(self, index: int) -> str:
        """Return the file's path below the folder of its class, or below ``root`` where it lies in no folder."""
        return decoded(os.fsdecode(self.paths[index].partition(b"/")[2] or self.paths[index]))

    def digests(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hash of each file, or why it cannot be read."""
        return hashes.digests(self.root, self.paths[indices].tolist())

    def path(self, index: int | np.int64) -> Path:
        """Return where image ``index`` lies."""
        return self.root / os.fsdecode(self.paths[index])


@dataclasses.dataclass(frozen=True)
class LocalTree:
    """A `Tree` of folders on this machine."""

    root: Path

    @property
    def shown(self) -> str:
        """The root as text."""
        return decoded(str(self.root))

    def folders(self, layout: str) -> list[str]:
        """Return the names of the folders in the root, sorted, without those that are hidden or a system's.

        Raises
        ------
        DataError
            The root is missing, is a file, or cannot be read. The message says that ``layout`` was expected.
        """
        try:
            with os.scandir(self.root) as entries:
                return sorted(entry.name for entry in entries if is_folder(entry) and not is_hidden(entry.name))
        except OSError as error:
            _log.debug("%s cannot be listed", self.root, exc_info=True)
            reason = _REASONS.get(type(error), f"cannot be read: {error.strerror}")
            raise DataError(decoded(f"{self.root} {reason}. Expected {layout}.{self._instead()}")) from error

    def _instead(self) -> str:
        kind = instead(str(self.root), lambda: open_regular(self.root))
        return f" It is {kind}." if kind else ""

    def files(self, folder: str, left_out: LeftOut, *, nested: bool = True) -> list[str]:
        """Return the paths of the images in a folder; see `list_files`."""
        return list_files(self.root, folder, left_out, nested=nested)

    def require_apart(self, folders: Sequence[str]) -> None:
        """Raise `DataError` where a link makes two classes of the same files."""
        require_apart(self.root, folders)

    def images(self, paths: Sequence[str]) -> EncodedImages:
        """Return the images at ``paths``."""
        import numpy as np

        return LocalFiles(self.root, np.asarray([os.fsencode(path) for path in paths]))
