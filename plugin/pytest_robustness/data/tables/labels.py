"""Join the labels of the files of one table, each of which says itself of which type they are and what they mean."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

_log = logging.getLogger(__name__)
_NUMBERS: Final = "whole numbers"
_TEXTS: Final = "names of classes"


class FileLabels(NamedTuple):
    """The labels of one file: how messages call it, the names that it gives to its numbers, and the values."""

    shown: str
    names: tuple[str, ...] | None
    values: pa.ChunkedArray


class JoinedLabels(NamedTuple):
    """The labels of all files in one type, what their numbers are called, and what a user should know about them."""

    values: pa.ChunkedArray
    names: tuple[str, ...] | None
    notes: tuple[str, ...]


def joined(column: str, files: Sequence[FileLabels]) -> JoinedLabels:
    """Return the labels of all files, numbers as the first file counts them.

    Parameters
    ----------
    column
        The column of labels.
    files
        What each file with rows has there.

    Raises
    ------
    DataError
        Files hold labels of different kinds, or number classes of different names.
    """
    import pyarrow as pa

    # Rows of the type null have no label, which is said of the first of them when all are joined.
    typed = [file for file in files if not pa.types.is_null(file.values.type)]
    first = (typed or files)[0]
    kind = _kind(first.values.type)
    for file in typed:
        if _kind(file.values.type) != kind:
            raise DataError(
                f"The column {column!r} of {file.shown} holds {file.values.type}, and that of {first.shown} "
                f"{first.values.type}. Valid: whole numbers in all files, or names of classes in all. Write one of "
                f"them again."
            )
    target = {_NUMBERS: pa.int64(), _TEXTS: pa.large_string()}.get(kind, first.values.type)
    parts = [file._replace(values=_cast(column, file, target)) for file in files]
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    if kind == _NUMBERS:
        numbered = [part for part, file in zip(parts, files, strict=True) if file in typed]
        require_one_set_of_names(column, numbered)
        names, notes = first.names, _notes(numbered)
        parts = [_renumbered(part, names) for part in parts]
    values = pa.chunked_array([chunk for part in parts for chunk in part.values.chunks], target)
    return JoinedLabels(values, names, notes)


def require_one_set_of_names(column: str, files: Sequence[FileLabels], *, ordered: bool = False) -> None:
    """Raise `DataError` where files name different classes; where ``ordered``, also where they number them otherwise.

    A file without names beside one with names may count in any way, and is refused too.
    """
    first = files[0]
    for file in files[1:]:
        if (file.names is None) != (first.names is None):
            named, bare = (first, file) if file.names is None else (file, first)
            raise DataError(
                f"{named.shown} names the classes of its column {column!r}, and {bare.shown} has numbers alone: "
                f"nothing says that they count the same classes. Write both with a ClassLabel, or judge them apart."
            )
        mine, others = file.names or (), first.names or ()
        if mine != others and (ordered or sorted(mine) != sorted(others)):
            pairs = enumerate(itertools.zip_longest(mine, others))
            number, (one, other) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
            raise DataError(
                f"{file.shown} and {first.shown} name different classes in the column {column!r}: the number {number} "
                f"is {_said(one)} in the first, {_said(other)} in the second. Write both with the same ClassLabel, or "
                f"judge them apart."
            )


def require_one_naming(paths: Sequence[str], column: str) -> None:
    """Raise `DataError` where Parquet files on this machine name the numbers of a column differently.

    ``datasets`` reads the numbers of all files by the names of the first.
    """
    from pytest_robustness.data.files.containers import Container
    from pytest_robustness.data.tables.columns import class_names
    from pytest_robustness.data.tables.parquet_rows import open_table

    files = []
    for path in paths:
        with open_table(Container(path)) as file:
            schema = file.schema_arrow
            if file.metadata.num_rows and column in schema.names:
                nothing = schema.empty_table().column(column)
                files.append(FileLabels(Container(path).shown, class_names(schema, column), nothing))
    if len(files) > 1:
        require_one_set_of_names(column, files, ordered=True)


def _said(name: str | None) -> str:
    return "no class" if name is None else repr(name)


def _kind(of: pa.DataType) -> str:
    """Return what labels of a type are: types of one meaning count as one."""
    import pyarrow as pa

    plain = of.value_type if pa.types.is_dictionary(of) else of
    if pa.types.is_integer(plain) or pa.types.is_floating(plain):
        return _NUMBERS
    return _TEXTS if pa.types.is_string(plain) or pa.types.is_large_string(plain) else str(of)


def _cast(column: str, file: FileLabels, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    values: Any = file.values
    try:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if pa.types.is_floating(values.type):
            _require_whole(column, file.shown, values)
        return values if values.type == target else values.cast(target)
    except pa.ArrowException as error:
        _log.debug("%s: labels of %s are no %s", file.shown, values.type, target, exc_info=True)
        raise DataError(
            f"The column {column!r} of {file.shown} cannot be read as {target}: {error}. Valid labels: whole numbers "
            f"from 0 on, or the names of classes."
        ) from error


def _require_whole(column: str, shown: str, values: Any) -> None:
    """Raise `DataError` where a number is not whole: pandas makes floats of numbers beside a row without one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, values = values.type, values.cast(pa.float64())  # halves cannot be rounded
    row = pc.index(pc.fill_null(pc.equal(values, pc.round(values)), fill_value=True), value=False).as_py()
    if row >= 0:
        raise DataError(
            f"The column {column!r} of {shown} holds {kind}, and {values[row].as_py()} in row {row} is no whole "
            f"number. Valid labels: whole numbers from 0 on, or the names of classes."
        )


def _renumbered(file: FileLabels, names: tuple[str, ...] | None) -> FileLabels:
    """Return the labels of a file as ``names`` counts; a number that the file names not stays, and is refused later."""
    import pyarrow as pa

    if file.names is None or names is None or file.names == names:
        return file
    places = {name: place for place, name in enumerate(names)}
    numbers = {number: places[name] for number, name in enumerate(file.names)}
    values = pa.array([numbers.get(value, value) for value in file.values.to_pylist()], pa.int64())
    return file._replace(values=pa.chunked_array([values]))


def _notes(files: Sequence[FileLabels]) -> tuple[str, ...]:
    other = [file.shown for file in files if file.names != files[0].names]
    if not other:
        return ()
    count = f"{len(other)} of {len(files)} files number their classes otherwise than {files[0].shown}, {other[0]} first"
    return (f"{count}: each file's numbers are read by its own names.",)
