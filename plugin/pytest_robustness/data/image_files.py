"""Image files in one folder per class, at any depth."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.files import read_regular
from pytest_robustness.data.class_folders import LeftOut, decoded, is_hidden, list_files, require_apart, shortened
from pytest_robustness.data.faults import retried
from pytest_robustness.data.fingerprint import start_hash
from pytest_robustness.data.formats import readable
from pytest_robustness.errors import BadImageError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

_PROBE_BYTES: Final = 4096
# Larger than any image that is decoded, and smaller than a file that only pretends to be one.
_LARGEST: Final = 2 << 30
_REASONS: Final[Mapping[type[OSError], str]] = {
    FileNotFoundError: "does not exist",
    NotADirectoryError: "is a file, not a folder",
}
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class FileSource:
    """A `DataSource` over image files.

    ``paths`` holds each file's path below ``root``, with forward slashes, as bytes [N]: a decoding
    process receives ImageNet's 1.28 million in 20 ms that way; a list of strings takes 0.4 s.
    """

    name: str
    classes: Sequence[ClassLabel]
    labels: NDArray[np.int64]
    root: Path
    paths: NDArray[np.bytes_]
    in_memory: bool = False
    notes: tuple[str, ...] = ()
    """What a user should know about the data: what was left out, which class has no image."""

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W]; raise `BadImageError` if the file is not readable."""
        from pytest_robustness.data.decode import decode

        path = self.path(index)
        try:
            data = retried(lambda: read_regular(path, _LARGEST))
        except (OSError, MemoryError) as error:
            _log.debug("%s cannot be read", path, exc_info=True)
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise BadImageError(self.describe(index), reason, content=False) from error
        return decode(data, self.describe(index))

    def describe(self, index: int) -> str:
        """Return the file's path."""
        return decoded(str(self.path(index)))

    def fingerprint(self, indices: NDArray[np.int64]) -> str:
        """Return the hash of the class keys and, of each image at ``indices``, its label, path, size and two ends.

        Only the first and the last 4 KiB of a file are read: reading all of ImageNet's 150 GB would cost more than it
        saves. Encoding an image again, cropping it or replacing it changes its size or its ends.
        """
        digest = start_hash(self.classes, self.labels[indices])
        for index in indices:
            digest.update(_probe(self.path(index), self.paths[index]))
        return digest.hexdigest()

    def path(self, index: int | np.int64) -> Path:
        """Return where image ``index`` lies."""
        return self.root / os.fsdecode(self.paths[index])


def find_folders(root: Path, layout: str) -> list[str]:
    """Return the names of the folders in ``root``, sorted; those that are hidden or a system's do not count.

    Raises
    ------
    DataError
        ``root`` is missing, is a file, cannot be read, or holds no folder. The message says that ``layout`` was
        expected.
    """
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))
    except OSError as error:
        _log.debug("%s cannot be listed", root, exc_info=True)
        reason = _REASONS.get(type(error), f"cannot be read: {error.strerror}")
        raise DataError(decoded(f"{root} {reason}. Expected {layout}.")) from error
    if not names:
        raise DataError(decoded(f"{root} holds no class folder. Expected {layout}."))
    return names


def class_of(folder: str) -> ClassLabel:
    """Return the class that is called as its folder."""
    return ClassLabel(decoded(folder), decoded(folder))


def list_images(spec: str, root: Path, folders: Mapping[str, ClassLabel]) -> FileSource:
    """Return the source of all images below ``folders``; a class without images keeps its label, and a note names it.

    Parameters
    ----------
    spec
        The data as the user names it.
    root
        The folder that holds the class folders.
    folders
        The class of each folder, in the order of the labels.

    Raises
    ------
    DataError
        A folder cannot be read, holds images of another class by a link, or no class has an image.
    """
    import numpy as np

    require_apart(root, [*folders])
    shown, left_out = decoded(str(root)), LeftOut()
    paths: list[bytes] = []
    counts: list[int] = []
    for folder in folders:
        files = list_files(root, folder, left_out)
        paths += [os.fsencode(file) for file in files]
        counts.append(len(files))
    if not paths:
        raise DataError(
            f"The class folders in {shown} hold no image. Expected {shown}/<class>/<image>, with one of the extensions "
            f"{', '.join(sorted(readable().extensions))}. {' '.join(left_out.sentences(shown))}".rstrip()
        )
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    notes = tuple(_notes(shown, [*folders.values()], counts, left_out))
    return FileSource(decoded(spec), tuple(folders.values()), labels, root, np.asarray(paths), notes=notes)


def _notes(root: str, classes: Sequence[ClassLabel], counts: Sequence[int], left_out: LeftOut) -> Iterator[str]:
    empty = [label.name for label, count in zip(classes, counts, strict=True) if not count]
    if empty:
        hold, take = ("class holds", "takes") if len(empty) == 1 else ("classes hold", "take")
        yield f"{len(empty)} {hold} no image and {take} no part: {shortened(empty)}."
    yield from left_out.sentences(root)


def _probe(path: Path, name: bytes) -> bytes:
    digest = hashlib.sha256(name + b"\0")
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest.update(f"{size}\0".encode())
            for start in (0, max(0, size - _PROBE_BYTES)):
                file.seek(start)
                digest.update(file.read(_PROBE_BYTES))
    except OSError as error:
        # Hash the errno, so that repairing the file changes the fingerprint: the sweep skips unreadable images.
        digest.update(f"errno {error.errno}".encode())
    return digest.digest()
