"""Say what a file is by its first bytes, where it is not what it was taken for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.data.decoding.formats import readable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

_log = logging.getLogger(__name__)

HEAD: Final = 512
"""So many bytes of a file are enough."""

ZIP: Final = "a ZIP archive"
TAR: Final = "a tar archive"
PARQUET: Final = "a Parquet file"
_POINTER: Final = "a pointer of Git LFS (git lfs pull fetches the file)"
# The form in which a file of some kind is named as data.
_FORMS: Final = {ZIP: "folder:zip://::{}", TAR: "tar:{}", PARQUET: "parquet:{}"}
# What people have in place of an image or a container: where, which bytes, and what it is.
_SIGNATURES: Final = (
    (0, b"version https://git-lfs", _POINTER),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", TAR),
    (0, b"PAR1", PARQUET),
    (0, b"\x93NUMPY", "an array of NumPy"),
    (0, b"\x89HDF", "HDF5"),
    (128, b"DICM", "DICOM"),
    (0, b"<", "a text in HTML or XML"),
)
# Formats that a package teaches Pillow: the name under which it does, the package, and where which bytes tell them.
_TAUGHT: Final = (
    ("HEIF", "HEIC, which needs pillow-heif", 4, (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")),
    ("AVIF", "AVIF, which needs a Pillow that reads it, or pillow-avif-plugin", 4, (b"ftypavi",)),
    ("JXL", "JPEG XL, which needs pillow-jxl-plugin", 0, (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")),
)


def kind_of(head: bytes) -> str:
    """Return what the content that begins with ``head`` is, with an article where it has one; empty if not known.

    >>> kind_of(b"PK" + bytes([3, 4])), kind_of(b"hello")
    ('a ZIP archive', '')
    """
    for name, kind, place, starts in _TAUGHT:
        if head[place:].startswith(starts):
            return kind.partition(",")[0] if name in readable().formats else kind
    if head[4:8] == b"ftyp":
        return "a video"
    return next((kind for place, start, kind in _SIGNATURES if head[place:].startswith(start)), "")


def instead(place: str, opened: Callable[[], BinaryIO], expected: str = "", otherwise: str = "") -> str:
    """Return what the file at ``place`` is and how to name it; empty where it is not known, or as ``expected``.

    Parameters
    ----------
    place
        Its path or its URL.
    opened
        Opens it.
    expected
        The kind that it was taken for.
    otherwise
        What to do with a file that is no data in any form.
    """
    try:
        with opened() as file:
            kind = kind_of(file.read(HEAD))
    except Exception:  # what is wrong with it is said by whoever wanted to read it
        _log.debug("%s cannot be read", place, exc_info=True)
        return ""
    if not kind or kind == expected:
        return ""
    if kind in _FORMS:
        return f"{kind}: unpack it, or name it as {_FORMS[kind].format(place)}"
    return f"{kind}: {otherwise}" if otherwise and kind != _POINTER else kind
