"""Images in Parquet files, as Hugging Face writes them, or in any column of bytes."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.data import spec_options
from pytest_robustness.data.class_folders import decoded, require_no_splits
from pytest_robustness.data.containers import find
from pytest_robustness.data.protocol import lacks
from pytest_robustness.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.core import DataSource
    from pytest_robustness.data.containers import Container
    from pytest_robustness.data.table_columns import Columns

_FORMS: Final = {
    "parquet:path": "Parquet files at a path or URL, also *.parquet or a folder, with a column of encoded images and "
    "one of labels; parquet:path#image=COLUMN,label=COLUMN names them"
}
_OPTIONS: Final = ("image", "label")
_ENDINGS: Final = (".parquet", ".pq")
_SPLIT: Final = re.compile(r"(train|training|dev|valid|validation|val|eval|test)(?=[-_.])", re.IGNORECASE)
_log = logging.getLogger(__name__)


def known() -> Mapping[str, str]:
    """Return the form of a name, with one line of explanation."""
    return _FORMS


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the path is missing, or an option behind it is not valid."""
    if not spec_options.split(spec, argument, _OPTIONS)[0]:
        raise OptionError(lacks(spec, "its path", _FORMS))


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
        raise DataError(f'{spec} needs pyarrow, which is not installed. Run: pip install "pytest-robustness[parquet]"')
    path, wanted = spec_options.split(spec, argument, _OPTIONS)
    containers = find(path, _ENDINGS, "Parquet file")
    _require_one_split(path, containers)
    return _source(spec, path, containers, wanted, labelled=labelled)


def _require_one_split(path: str, containers: Sequence[Container]) -> None:
    names = [container.text.rpartition("/")[2] for container in containers]
    splits = {match[1] for name in names if (match := _SPLIT.match(name))}
    require_no_splits(decoded(path), sorted(splits), "parquet:{root}/{best}*.parquet")


def _source(
    spec: str, path: str, containers: Sequence[Container], wanted: Mapping[str, str], *, labelled: bool
) -> DataSource:
    import numpy as np
    import pyarrow as pa

    from pytest_robustness.data.encoded import EncodedSource
    from pytest_robustness.data.image_files import class_of, notes_of
    from pytest_robustness.data.parquet_rows import ParquetRows, damaged, open_table
    from pytest_robustness.data.table_columns import columns_of, keys_of, labels_of

    shown, columns, tables = decoded(path), None, []
    statuses = tuple(container.status() for container in containers)
    for container in containers:
        file = open_table(container)
        if columns is None:
            columns = columns_of(file.schema_arrow, wanted, container.shown, f"parquet:{shown}", labelled=labelled)
        try:
            tables.append(_small_columns(file, columns, container))
        except (pa.ArrowException, OSError) as error:
            _log.debug("%s cannot be read", container.text, exc_info=True)
            raise damaged(container, error) from error
    rows = [len(paths) for paths, _ in tables]
    if columns is None or not sum(rows):
        raise DataError(f"{shown} holds no image: its tables have no rows.")
    paths = [one for part, _ in tables for one in part]
    starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
    names = np.asarray([os.fsencode(one or "") for one in paths])
    images = ParquetRows(tuple(c.text for c in containers), starts, columns.image, names, names, statuses)
    if labelled:
        values = pa.chunked_array([chunk for _, labels in tables for chunk in labels.chunks])
        found = labels_of(columns, values, shown, images.describe)
        classes, labels, notes = found.classes, found.labels, notes_of(found)
    else:
        found, notes = None, ()
        classes = tuple(class_of(container.shown.rpartition("/")[2]) for container in containers)
        labels = np.repeat(np.arange(len(rows), dtype=np.int64), rows)
    keys = np.asarray([os.fsencode(key) for key in keys_of(paths, found)])
    images = ParquetRows(images.texts, starts, columns.image, names, keys, statuses)
    return EncodedSource(decoded(spec), classes, labels, images, notes)


def _small_columns(file: Any, columns: Columns, container: Container) -> tuple[list[str | None], Any]:
    """Return the paths of a file's images, ``None`` where it has none, and its labels; no image is read."""
    missing = [name for name in (columns.image, columns.label) if name and name not in file.schema_arrow.names]
    if missing:
        raise DataError(f"{container.shown} has no column {missing[0]!r}, which the other files have.")
    wanted = [columns.label] if columns.label else []
    if columns.has_path:
        wanted.append(f"{columns.image}.path")
    table = file.read(columns=wanted)
    if columns.has_path:
        paths: list[str | None] = [(cell or {}).get("path") for cell in table.column(columns.image).to_pylist()]
    else:
        paths = [None] * file.metadata.num_rows
    return paths, table.column(columns.label) if columns.label else None
