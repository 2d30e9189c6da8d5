"""Images and answers as a NumPy file, ``.npz``: arrays that ``numpy.load`` reads.

Most answers are those to the untouched image, and most of these are right. Only the others are stored: a bit for each
image says whether its answer is one of them (``changed``), and the answers follow in order, the low bytes of all before
the high ones (``values``). 50,000 images of 1,000 classes under control and ten conditions take about 0.25 MB so, and
0.8 MB for the hashes of the images, which nothing makes smaller.

A compressor's bytes depend on its version. What identifies a file is therefore the hash of its content (`digest`).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMES = ("document", "identities", "labels", "outputs", "changed", "values")
# Hashes do not get smaller, and a file that is not compressed cannot unpack into more than its size.
_PLAIN = {"document", "identities"}
# Seconds since this date are zero in a zip file: the same content gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_BYTE, _NARROW, _WIDE = np.dtype(np.uint8), np.dtype("<u2"), np.dtype("<u4")
_HEADER = 4096
"""More bytes than the header of an array takes here, in NumPy's format and in the archive's."""


class OtherShapeError(ValueError):
    """Arrays are whole, and of other numbers of images, classes or models than they should be."""


class Row(NamedTuple):
    """One row of answers: the number of its model, and of the row of that model's control; -1 for control itself."""

    model: int
    control: int


class Arrays(NamedTuple):
    """What a file holds: a document, or the hash of one beside it; and by image, by model and by row the rest.

    ``identities`` is V16 [N], ``labels`` int64 [N], ``outputs`` int64 [M, C], ``answers`` int32 [rows, N] with -1 for
    an image that could not be read.
    """

    document: bytes
    identities: NDArray[np.void]
    labels: NDArray[np.int64]
    outputs: NDArray[np.int64]
    answers: NDArray[np.int32]


class Shape(NamedTuple):
    """How much a file holds: images, classes and models, and whose its rows of answers are."""

    images: int
    classes: int
    models: int
    rows: Sequence[Row]

    @property
    def most_bytes(self) -> int:
        """The largest file of this shape."""
        by_image = 16 + 4 + (_WIDE.itemsize + 1) * len(self.rows)
        return self.images * by_image + 4 * self.models * self.classes + len(_NAMES) * _HEADER


def pack(arrays: Arrays, rows: Sequence[Row]) -> bytes:
    """Return the file."""
    changed, unlike = np.zeros((len(rows), -(-len(arrays.labels) // 8)), np.uint8), []
    for number, row in enumerate(rows):
        differs = arrays.answers[number] != _reference(arrays, row)
        changed[number] = np.packbits(differs)
        unlike.append(arrays.answers[number][differs])
    values = np.concatenate([np.empty(0, np.int32), *unlike])
    kind = _NARROW if max(_largest(values), _largest(arrays.outputs)) < np.iinfo(_NARROW).max else _WIDE
    stored = np.where(values < 0, np.iinfo(kind).max, values).astype(kind)
    members = (
        np.frombuffer(arrays.document, np.uint8),
        arrays.identities.view(np.uint8).reshape(len(arrays.labels), -1),
        arrays.labels.astype(_WIDE),
        arrays.outputs.astype(_WIDE),
        changed,
        stored.view(np.uint8).reshape(-1, kind.itemsize).T,
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in zip(_NAMES, members, strict=True):
            member = zipfile.ZipInfo(f"{name}.npy", _DATE)
            member.create_system = _UNIX
            member.compress_type = _compression(name)
            file = io.BytesIO()
            np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(member, file.getvalue())
    return buffer.getvalue()


def digest(arrays: Arrays) -> str:
    """Return the SHA-256 of the content, however it is stored."""
    found = hashlib.sha256()
    shape = (len(arrays.document), len(arrays.labels), *arrays.outputs.shape, len(arrays.answers))
    found.update(repr(shape).encode() + arrays.document + np.ascontiguousarray(arrays.identities).tobytes())
    for array in (arrays.labels.astype("<i8"), arrays.outputs.astype("<i8"), *arrays.answers.astype("<i4", copy=False)):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def begins(found: bytes) -> bool:
    """Whether a file begins as `pack` lets it begin, or as older versions did."""
    return found.startswith(b"PK") and any(name in found[:100] for name in (b"document.npy", b"document_sha256.npy"))


def document(packed: bytes, most: int) -> bytes:
    """Return the document of a file, of ``most`` bytes at most; raises what `unpack` raises."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        _require_ours(archive)
        size = archive.infolist()[0].file_size
        if size > most + _HEADER:
            raise ValueError("its document is too long")
        with archive.open(archive.infolist()[0]) as file:
            found, kind = _header(file, "document")
            if len(found) != 1 or kind != _BYTE or found[0] > most:
                raise ValueError(f"document is {kind} {found}")
            return _content(file, found[0], "document")


def unpack(packed: bytes, shape: Shape) -> Arrays:
    """Return the arrays of a file, which may be any file; no more is read than its shape allows.

    Raises
    ------
    ValueError
        When an array is not of the type and shape that is due, or a label or an output does not exist.
    zipfile.BadZipFile, zlib.error, OSError, KeyError, RuntimeError, NotImplementedError, EOFError
        When it is no archive, or a damaged one.
    """
    said = document(packed, len(packed))
    count = len(shape.rows)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        identities = _member(archive, "identities", (shape.images, 16), (_BYTE,))
        labels = _member(archive, "labels", (shape.images,), (_WIDE,))
        outputs = _member(archive, "outputs", (shape.models, shape.classes), (_WIDE,))
        bits = _member(archive, "changed", (count, -(-shape.images // 8)), (_BYTE,))
        if _largest(labels) >= max(shape.classes, 1) or _largest(outputs) > np.iinfo(np.int32).max:
            raise ValueError("a label or an output does not exist")
        unlike = np.unpackbits(bits, axis=1, count=shape.images).astype(np.bool_)
        values = _values(archive, int(np.count_nonzero(unlike)))
    found = Arrays(
        said,
        np.ascontiguousarray(identities).view(np.dtype("V16")).reshape(-1),
        labels.astype(np.int64),
        outputs.astype(np.int64),
        np.empty(unlike.shape, np.int32),
    )
    _restore(found, shape.rows, unlike, values)
    return found


def _restore(found: Arrays, rows: Sequence[Row], unlike: NDArray[np.bool_], values: NDArray[np.int32]) -> None:
    """Fill in the answers: those of control first, which the others are stored by."""
    counts = np.count_nonzero(unlike, axis=1)
    starts = np.cumsum(counts) - counts
    for number in sorted(range(len(rows)), key=lambda number: rows[number].control >= 0):
        row, start = found.answers[number], starts[number]
        row[:] = _reference(found, rows[number])
        row[unlike[number]] = values[start : start + counts[number]]


def _reference(arrays: Arrays, row: Row) -> NDArray[np.int32] | NDArray[np.int64]:
    """Return what a row is stored by: the answers of the model's control, for control itself the right ones."""
    right: NDArray[np.int64] = arrays.outputs[row.model][arrays.labels]
    return arrays.answers[row.control] if row.control >= 0 else right


def _values(archive: zipfile.ZipFile, count: int) -> NDArray[np.int32]:
    """Return the answers that are stored one by one: int32 [count]."""
    with archive.open("values.npy") as file:
        found, kind = _header(file, "values")
        if found not in [(size.itemsize, count) for size in (_NARROW, _WIDE)] or kind != _BYTE:
            raise OtherShapeError(f"values is {kind} {found}; {count} answers expected")
        planes = np.frombuffer(_content(file, found[0] * count, "values"), np.uint8).reshape(found)
    stored = np.ascontiguousarray(planes.T).view(_NARROW if found[0] == _NARROW.itemsize else _WIDE).reshape(-1)
    unread = stored == np.iinfo(stored.dtype).max
    if _largest(stored[~unread]) > np.iinfo(np.int32).max:
        raise ValueError("an output does not exist")
    signed = stored.astype(np.int32)
    signed[unread] = -1
    return signed


def _require_ours(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if [member.filename for member in members] != [f"{name}.npy" for name in _NAMES]:
        raise ValueError(f"it does not hold {', '.join(_NAMES)}")
    kinds = [_compression(name) for name in _NAMES]
    if [member.compress_type for member in members] != kinds or any(member.flag_bits & 1 for member in members):
        raise ValueError("its arrays are compressed or encrypted as pytest-robustness does not do it")


def _compression(name: str) -> int:
    return zipfile.ZIP_STORED if name in _PLAIN else zipfile.ZIP_DEFLATED


def _member(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], kinds: Sequence[np.dtype[Any]]
) -> NDArray[Any]:
    """Return an array, whose header is checked before anything of its size is made."""
    with archive.open(f"{name}.npy") as file:
        found, kind = _header(file, name)
        if found != shape or kind not in kinds:
            expected = " or ".join(map(str, kinds))
            raise OtherShapeError(f"{name} is {kind} {found}; {expected} {shape} expected")
        data = _content(file, int(np.prod(shape, dtype=object)) * kind.itemsize, name)
    return np.frombuffer(data, kind).reshape(shape)


def _header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another version of NumPy's format")
    found, fortran, kind = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER)
    if fortran:
        raise ValueError(f"{name} is in another order of its axes")
    return found, kind


def _content(file: Any, size: int, name: str) -> bytes:
    """Return what follows a header: that many bytes, neither more nor fewer."""
    data: bytes = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"{name} is not of the size that its header says")
    return data


def _largest(array: NDArray[np.integer[Any]]) -> int:
    return int(array.max()) if array.size else 0
