"""The images and answers of a baseline as a NumPy file, ``.npz``: arrays that `numpy.load` reads.

The arrays are stored as they are. A compressor's bytes depend on its version, so that the same baseline would differ
from machine to machine; git compresses what it keeps; and a file that is not compressed cannot unpack into more than
its size. 50,000 images under 46 conditions take 5.6 MB.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMES = ("document_sha256", "identities", "labels", "outputs", "answers")
# Seconds since this date are zero in a zip file: the same content gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_NARROW, _WIDE = np.dtype("<u2"), np.dtype("<u4")
_HEADER = 4096
"""More bytes than the header of an array takes here, in NumPy's format and in the archive's."""


class Arrays(NamedTuple):
    """The arrays of a file: the hash of the document (32 bytes), and by image, by model and by cell the rest.

    ``identities`` is V16 [N], ``labels`` int64 [N], ``outputs`` int64 [M, C], ``answers`` int32 [cells, N] with -1 for
    an image that could not be read.
    """

    document_sha256: bytes
    identities: NDArray[np.void]
    labels: NDArray[np.int64]
    outputs: NDArray[np.int64]
    answers: NDArray[np.int32]


class Shape(NamedTuple):
    """How much a file holds: images, classes, models and cells."""

    images: int
    classes: int
    models: int
    cells: int

    @property
    def most_bytes(self) -> int:
        """The largest file of this shape."""
        by_image = 16 + 4 + _WIDE.itemsize * self.cells
        return self.images * by_image + 4 * self.models * self.classes + len(_NAMES) * _HEADER


def pack(arrays: Arrays) -> bytes:
    """Return the file: the same arrays give the same bytes."""
    kind = _NARROW if max(_largest(arrays.answers), _largest(arrays.outputs)) < np.iinfo(_NARROW).max else _WIDE
    unread = np.iinfo(kind).max
    stored = (
        np.frombuffer(arrays.document_sha256, np.uint8),
        arrays.identities.view(np.uint8).reshape(len(arrays.labels), -1),
        arrays.labels.astype(_WIDE),
        arrays.outputs.astype(_WIDE),
        np.where(arrays.answers < 0, unread, arrays.answers).astype(kind),
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in zip(_NAMES, stored, strict=True):
            member = zipfile.ZipInfo(f"{name}.npy", _DATE)
            member.create_system = _UNIX
            file = io.BytesIO()
            np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(member, file.getvalue())
    return buffer.getvalue()


def begins(found: bytes) -> bool:
    """Whether a file begins as `pack` lets it begin."""
    return found.startswith(b"PK") and f"{_NAMES[0]}.npy".encode() in found[:100]


def document_sha256(packed: bytes) -> bytes:
    """Return the hash of the document that the answers belong to; raises what `unpack` raises."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        _require_plain(archive)
        return _member(archive, 0, (32,), (np.dtype(np.uint8),)).tobytes()


def unpack(packed: bytes, shape: Shape) -> Arrays:
    """Return the arrays of a file, which may be any file; no more is read than its bytes hold.

    Raises
    ------
    ValueError
        When an array is not of the type and shape that is due, or a label or an output does not exist.
    zipfile.BadZipFile, OSError, KeyError, RuntimeError, NotImplementedError, EOFError
        When it is no archive, or a damaged one.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        _require_plain(archive)
        identities = _member(archive, 1, (shape.images, 16), (np.dtype(np.uint8),))
        labels = _member(archive, 2, (shape.images,), (_WIDE,))
        outputs = _member(archive, 3, (shape.models, shape.classes), (_WIDE,))
        answers = _member(archive, 4, (shape.cells, shape.images), (_NARROW, _WIDE))
        said = _member(archive, 0, (32,), (np.dtype(np.uint8),)).tobytes()
    unread = np.iinfo(answers.dtype).max
    if _largest(labels) >= shape.classes or _largest(outputs) >= unread:
        raise ValueError("a label or an output does not exist")
    if _largest(outputs) > np.iinfo(np.int32).max or _largest(answers[answers != unread]) > np.iinfo(np.int32).max:
        raise ValueError("an output does not exist")
    signed = answers.astype(np.int32)
    signed[answers == unread] = -1
    return Arrays(
        said,
        np.ascontiguousarray(identities).view(np.dtype("V16")).reshape(-1),
        labels.astype(np.int64),
        outputs.astype(np.int64),
        signed,
    )


def _require_plain(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if names != [f"{name}.npy" for name in _NAMES]:
        raise ValueError(f"it does not hold {', '.join(_NAMES)}")
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise ValueError("its arrays are compressed or encrypted, which pytest-robustness does not write")


def _member(
    archive: zipfile.ZipFile, number: int, shape: tuple[int, ...], kinds: Sequence[np.dtype[Any]]
) -> NDArray[Any]:
    """Return an array, whose header is checked before anything of its size is made."""
    with archive.open(f"{_NAMES[number]}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{_NAMES[number]} is of another version of NumPy's format")
        found, fortran, kind = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER)
        if found != shape or fortran or kind not in kinds:
            expected = " or ".join(map(str, kinds))
            raise ValueError(f"{_NAMES[number]} is {kind} {found}; {expected} {shape} expected")
        data = file.read()
    return np.frombuffer(data, kind).reshape(shape)


def _largest(array: NDArray[np.integer[Any]]) -> int:
    return int(array.max()) if array.size else 0
