"""The image in a cell of a table: its bytes, or the path of a file that has them."""

from __future__ import annotations

from pathlib import Path

from pytest_robustness.core.files import read_regular
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.local_files import LARGEST


def content_of(cell: object) -> bytes:
    """Return the encoded bytes of an image.

    Parameters
    ----------
    cell
        Bytes; or a dict of ``bytes`` and ``path`` as Hugging Face writes it, of which the bytes may be missing.

    Raises
    ------
    OSError
        There is no image, or the file that the path names cannot be read.
    """
    if isinstance(cell, bytes):
        return cell
    content, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (None, None)
    if isinstance(content, bytes):
        return content
    if not isinstance(path, str) or not path:
        raise OSError("the table has no image there")
    if storage.is_url(path):
        return storage.content(path, storage.locate(path).path)
    if not Path(path).is_absolute():
        raise OSError(f"the table holds no bytes, only the name {path!r}")
    return read_regular(Path(path), LARGEST)
