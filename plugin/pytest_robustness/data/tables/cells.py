"""The image in a cell of a table: its bytes, or the path of a file on this machine that has them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.files import read_regular
from pytest_robustness.core.text import quoted
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.local_files import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes

_WINDOWS: Final = sys.platform == "win32"
_FILE: Final = re.compile(r"(?:file|local)://", re.IGNORECASE)


def content_of(cell: object) -> bytes:
    """Return the encoded bytes of an image.

    Whoever wrote the table chose what a cell names. An address is not opened: the run would ask a server that its user
    never named, with the user's own credentials.

    Parameters
    ----------
    cell
        Bytes; or a dict of ``bytes`` and ``path`` as Hugging Face writes it, of which the bytes may be missing.

    Raises
    ------
    OSError
        There is no image, or an address alone, or the file that the path names cannot be read.
    """
    if isinstance(cell, bytes):
        return cell
    content, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (None, None)
    if isinstance(content, bytes):
        return content
    if not isinstance(path, str) or not path:
        raise OSError("the table has no image there")
    file = local_file(path)
    if file is not None:
        return read_regular(file, LARGEST)
    if _is_address(path):
        raise OSError(
            f"the table holds no bytes, only the address {quoted(path)}, and no address in a table is opened. Download "
            f"the images, and write the table with their bytes, or with the absolute paths of their files"
        )
    raise OSError(f"the table holds no bytes, only the name {quoted(path)}")


def local_file(path: str) -> Path | None:
    """Return the file on this machine that a cell names by its absolute path, also as ``file://``; ``None`` for others.

    A relative path may be that of the machine which wrote the table.
    """
    scheme = _FILE.match(path)
    plain = path[scheme.end() :] if scheme else path
    if _WINDOWS and scheme:
        plain = plain.removeprefix("/")  # file:///C:/photos
    if "\0" in plain or _is_address(plain):
        return None
    file = Path(plain)
    return file if file.is_absolute() else None


def digests(
    indices: NDArray[np.int64],
    apart: NDArray[np.bool_],
    names: NDArray[np.bytes_],
    hashes: FileHashes,
    within: Callable[[NDArray[np.int64]], Sequence[bytes | OSError]],
) -> list[bytes | OSError]:
    """Return the hash of each image, or why it cannot be read.

    Parameters
    ----------
    indices
        The images.
    apart
        Whether the bytes of an image are in the file of its own that its path names, and not in the table: bool [N].
    names
        The path that the table has of each image: bytes [N].
    hashes
        Hashes these files, and remembers each by its own status: the table does not change where such a file does.
    within
        Returns the hashes of the other images.
    """
    own, outside = indices[~apart[indices]], indices[apart[indices]]
    found = dict(zip(own.tolist(), within(own), strict=True))
    files = [local_file(os.fsdecode(names[index])) or Path() for index in outside]
    for anchor in {file.anchor for file in files}:
        chosen = [position for position, file in enumerate(files) if file.anchor == anchor]
        below = [os.fsencode(files[position].as_posix()[len(anchor) :]) for position in chosen]
        found |= zip(outside[chosen].tolist(), hashes.digests(Path(anchor), below), strict=True)
    return [found[index] for index in indices.tolist()]


def _is_address(path: str) -> bool:
    # On Windows \\server\share leads to another machine, with the user's name and the hash of the password.
    return storage.is_url(path) or (_WINDOWS and PureWindowsPath(path).drive.startswith("\\\\"))
