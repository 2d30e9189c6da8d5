"""Images in Parquet files, as Hugging Face writes them, or in any column of bytes."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.errors import DataError, OptionError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.core.text import decoded
from pytest_robustness.data import spec_options
from pytest_robustness.data.files.shards import find
from pytest_robustness.data.protocol import lacks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource
    from pytest_robustness.data.encoded import EncodedSource
    from pytest_robustness.data.files.containers import Container
    from pytest_robustness.data.tables.columns import Columns

FORMS: Final = {
    "parquet:path": "Parquet files at a path or URL, also *.parquet or a folder, with a column of encoded images and "
    "one of labels; parquet:path#image=COLUMN,label=COLUMN names them"
}
_OPTIONS: Final = ("image", "label")
_ENDINGS: Final = (".parquet", ".pq")
_log = logging.getLogger(__name__)


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the path is missing, or an option behind it is not valid."""
    if not spec_options.split(spec, argument, _OPTIONS)[0]:
        raise OptionError(lacks(spec, "its path", FORMS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the rows of all files, in their order.

    Raises
    ------
    DataError
        pyarrow is not installed; a file is missing or damaged; no column holds images or labels, or several may.
    """
    return _open(spec, argument, labelled=True)


def open_unlabelled(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the rows of all files, whatever labels they have; each file is a place to draw from.

    Raises
    ------
    DataError
        pyarrow is not installed; a file is missing or damaged; no column holds images, or several may.
    """
    return _open(spec, argument, labelled=False)


def _open(spec: str, argument: str, *, labelled: bool) -> DataSource:
    if importlib.util.find_spec("pyarrow") is None:
        raise DataError(f"{spec} needs pyarrow, which is not installed. Run: {pip_install('parquet')}")
    path, wanted = spec_options.split(spec, argument, _OPTIONS)
    shards = find("parquet", path, _ENDINGS, "Parquet file")
    source = _source(spec, path, shards.containers, wanted, labelled=labelled)
    return dataclasses.replace(source, notes=(*source.notes, *shards.notes))


class _Table(NamedTuple):
    """What one file says of its rows: its columns, ``None`` where it has no rows, the paths of images, the labels.

    ``apart`` says of each row whether its bytes are in the file that its path names, ``unsure`` whether that is not
    known without reading it: bool [rows].
    """

    columns: Columns | None
    paths: list[str | None]
    labels: Any
    apart: NDArray[np.bool_]
    unsure: NDArray[np.bool_]


def _source(
    spec: str, path: str, containers: Sequence[Container], wanted: Mapping[str, str], *, labelled: bool
) -> EncodedSource:
    import numpy as np

    from pytest_robustness.data.encoded import EncodedSource
    from pytest_robustness.data.files.image_files import class_of, notes_of
    from pytest_robustness.data.tables.columns import keys_of, labels_of
    from pytest_robustness.data.tables.labels import FileLabels, joined
    from pytest_robustness.data.tables.parquet_rows import ParquetRows, forget_readers

    forget_readers()
    shown = decoded(path)
    statuses = tuple(container.status() for container in containers)
    tables = _tables(containers, wanted, f"parquet:{shown}", labelled=labelled)
    columns = next((table.columns for table in tables if table.columns), None)
    if columns is None:
        raise DataError(f"{shown} holds no image: its tables have no rows.")
    rows = [len(table.paths) for table in tables]
    paths = [one for table in tables for one in table.paths]
    starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
    names = np.asarray([os.fsencode(one or "") for one in paths])
    images = ParquetRows(
        tuple(c.text for c in containers),
        starts,
        columns.image,
        names,
        names,
        statuses,
        np.concatenate([table.apart for table in tables]),
        np.concatenate([table.unsure for table in tables]),
    )
    if columns.label:
        of_files = [
            FileLabels(container.shown, table.columns.names, table.labels)
            for container, table in zip(containers, tables, strict=True)
            if table.columns
        ]
        values, class_names, more = joined(columns.label, of_files)
        found = labels_of(columns._replace(names=class_names), values, shown, images.describe)
        classes, labels, notes = found.classes, found.labels, (*notes_of(found), *more)
    else:
        found, notes = None, ()
        classes = tuple(class_of(container.shown.rpartition("/")[2]) for container in containers)
        labels = np.repeat(np.arange(len(rows), dtype=np.int64), rows)
    keys = np.asarray([os.fsencode(key) for key in keys_of(paths, found)])
    images = dataclasses.replace(images, keys=keys)
    return EncodedSource(decoded(spec), classes, labels, images, (*columns.note(shown), *notes))


def _tables(
    containers: Sequence[Container], wanted: Mapping[str, str], spelling: str, *, labelled: bool
) -> list[_Table]:
    """Return what each file says of its rows; the first one that has rows decides which columns count.

    How images and labels are held is each file's own matter. A file without rows says nothing: what writes it knows no
    types, and no names.
    """
    import numpy as np
    import pyarrow as pa

    from pytest_robustness.data.tables.columns import columns_of
    from pytest_robustness.data.tables.parquet_rows import damaged, open_table

    found, chosen = [], dict(wanted)
    for container in containers:
        file = open_table(container)
        if not file.metadata.num_rows:
            found.append(_Table(None, [], None, np.zeros(0, np.bool_), np.zeros(0, np.bool_)))
            continue
        missing = [name for name in chosen.values() if name not in file.schema_arrow.names]
        if missing and any(table.columns for table in found):
            raise DataError(f"{container.shown} has no column {missing[0]!r}, which the other files have.")
        columns = columns_of(file.schema_arrow, chosen, container.shown, spelling, labelled=labelled)
        chosen = {"image": columns.image, **({"label": columns.label} if columns.label else {})}
        try:
            paths, labels = _small_columns(file, columns)
            found.append(_Table(columns, paths, labels, *_apart(file, columns, paths)))
        except (pa.ArrowException, OSError, ValueError) as error:
            _log.debug("%s cannot be read", container.text, exc_info=True)
            raise damaged(container, error) from error
    return found


def _small_columns(file: Any, columns: Columns) -> tuple[list[str | None], Any]:
    """Return the paths of a file's images, ``None`` where it has none, and its labels; no image is read."""
    wanted = [columns.label] if columns.label else []
    if columns.has_path:
        wanted.append(f"{columns.image}.path")
    table = file.read(columns=wanted)
    if columns.has_path:
        paths: list[str | None] = [(cell or {}).get("path") for cell in table.column(columns.image).to_pylist()]
    else:
        paths = [None] * file.metadata.num_rows
    return paths, table.column(columns.label) if columns.label else None


def _apart(file: Any, columns: Columns, paths: Sequence[str | None]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows have their bytes in the file that their path names, and of which that is not known.

    No image is read: the statistics of the file count the rows of a group that have no bytes. They say nothing of a row
    where some of the group have none, nor where its writer kept no statistics.
    """
    import numpy as np

    from pytest_robustness.data.tables.cells import local_file

    named = np.fromiter((bool(path) and local_file(path or "") is not None for path in paths), np.bool_, len(paths))
    if not named.any():
        return named, named
    metadata = file.metadata
    leaves = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    leaf = leaves.index(f"{columns.image}.bytes")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    counts = [group.column(leaf).statistics for group in groups]
    absent = [count.null_count if count is not None and count.has_null_count else -1 for count in counts]
    rows = [group.num_rows for group in groups]
    none = np.repeat([count == number for count, number in zip(absent, rows, strict=True)], rows)
    some = np.repeat([count not in (0, number) for count, number in zip(absent, rows, strict=True)], rows)
    return named & none, named & some
