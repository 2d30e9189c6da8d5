"""Image files in one folder per class, at any depth."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.files import read_regular
from pytest_robustness.data.class_folders import LeftOut, decoded, is_hidden, list_files, require_apart, shortened
from pytest_robustness.data.faults import retried
from pytest_robustness.data.formats import readable
from pytest_robustness.data.identity import UNREADABLE, as_array
from pytest_robustness.errors import BadImageError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes

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

    def key(self, index: int) -> str:
        """Return the file's path below the folder of its class, or below ``root`` where it lies in no folder."""
        return decoded(os.fsdecode(self.paths[index].partition(b"/")[2] or self.paths[index]))

    def identities(self, indices: NDArray[np.int64], hashes: FileHashes) -> NDArray[np.void]:
        """Return the hash of each file: V16 [n]; zeros where it cannot be read."""
        found = hashes.digests(self.root, self.paths[indices].tolist())
        return as_array(UNREADABLE if isinstance(digest, OSError) else digest for digest in found)

    def orientations(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the EXIF code that is still to be obeyed in each image: uint8 [n], 1 to 8."""
        import numpy as np

        from pytest_robustness.data.orientation import orientation_in

        return np.array([orientation_in(self.path(index)).pending for index in indices], np.uint8)

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
    names = _folders(root, layout)
    if not names:
        raise DataError(decoded(f"{root} holds no class folder. Expected {layout}."))
    return names


def _folders(root: Path, layout: str) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))
    except OSError as error:
        _log.debug("%s cannot be listed", root, exc_info=True)
        reason = _REASONS.get(type(error), f"cannot be read: {error.strerror}")
        raise DataError(decoded(f"{root} {reason}. Expected {layout}.")) from error


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


def list_unlabelled(spec: str, root: Path) -> FileSource:
    """Return the source of all images below ``root``, at any depth; labels number the folders in it, then itself.

    Parameters
    ----------
    spec
        The data as the user names it.
    root
        The folder.

    Raises
    ------
    DataError
        A folder cannot be read, or holds no image.
    """
    import numpy as np

    shown, left_out = decoded(str(root)), LeftOut()
    folders = _folders(root, f"images below {root}")
    require_apart(root, folders)
    files = [list_files(root, folder, left_out) for folder in folders]
    files.append(list_files(root, "", left_out, nested=False))
    paths = [os.fsencode(file) for part in files for file in part]
    if not paths:
        raise DataError(
            f"{shown} holds no image. Expected images at any depth, with one of the extensions "
            f"{', '.join(sorted(readable().extensions))}. {' '.join(left_out.sentences(shown))}".rstrip()
        )
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(part) for part in files])
    places = tuple(map(class_of, [*folders, ""]))
    return FileSource(decoded(spec), places, labels, root, np.asarray(paths), notes=(*left_out.sentences(shown),))


def _notes(root: str, classes: Sequence[ClassLabel], counts: Sequence[int], left_out: LeftOut) -> Iterator[str]:
    empty = [label.name for label, count in zip(classes, counts, strict=True) if not count]
    if empty:
        hold, take = ("class holds", "takes") if len(empty) == 1 else ("classes hold", "take")
        yield f"{len(empty)} {hold} no image and {take} no part: {shortened(empty)}."
    yield from left_out.sentences(root)
