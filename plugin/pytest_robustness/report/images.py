"""Write what every model answers to every image: ``images.csv``, or a compressed file where that would be large."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pytest_robustness.core.files import publishing, replacing, short_path
from pytest_robustness.core.text import for_csv
from pytest_robustness.report.image_table import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.core import Cell
    from pytest_robustness.report.image_table import AnswerColumns, ImageColumns, ImageTable
    from pytest_robustness.report.run_report import RunReport

CSV, GZIP, PARQUET = FILES = ("images.csv", "images.csv.gz", "images.parquet")

# Spreadsheets open a million rows; a CSV file of this many has some 250 MB.
_MOST_PLAIN_ROWS = 2_000_000
# Rows of a cell that are made at once.
_BATCH = 131_072
# Columns with few values among many: the others, names of files above all, are written faster as they are.
_REPEATED = ["model", "transform", "severity", "class_index", "class_name", "answer", "output", "right"]
# Columns that count up: differences take a hundredth of the room.
_ASCENDING = ["position", "index"]
_FASTEST = 1


def write(report: RunReport, folder: Path) -> list[Path]:
    """Write the table into ``folder``, whole or not at all, and return its path; nothing where no cell is finished.

    Raises
    ------
    RobustnessError
        When the folder cannot be written, or the store lacks predictions.
    """
    table = report.images
    if table is None or not table.rows:
        return []
    name = file_name(table.rows)
    with publishing(folder), replacing(folder / name) as file:
        _WRITERS[name](table, file)
    return [folder / name]


def file_name(rows: int) -> str:
    """Return the name of a table of so many rows: plain CSV up to two million; beyond, Parquet with pyarrow or gzip."""
    if rows <= _MOST_PLAIN_ROWS:
        return CSV
    return GZIP if importlib.util.find_spec("pyarrow") is None else PARQUET


def lines(report: RunReport, folder: Path) -> list[str]:
    """Return what the terminal says of the table once it is written: where it is, and what it lacks."""
    table = report.images
    if table is None or not table.rows:
        return []
    name = file_name(table.rows)
    hint = "; with pyarrow installed, Parquet" if name == GZIP else ""
    note = f" File names are left out: {table.names.note}" if table.names.note else ""
    return [f"Images: {short_path(folder / name)} ({table.rows:,} rows{hint}){'.' if note else ''}{note}"]


def _write_csv(table: ImageTable, file: BinaryIO) -> None:
    file.writelines(text.encode("utf-8", "backslashreplace") for text in _texts(table))


def _write_gzip(table: ImageTable, file: BinaryIO) -> None:
    # Without the time, so that the same table gives the same bytes.
    with gzip.GzipFile("", "wb", _FASTEST, file, mtime=0) as compressed:
        for text in _texts(table):
            compressed.write(text.encode("utf-8", "backslashreplace"))


def _texts(table: ImageTable) -> Iterator[str]:
    """Yield the table as CSV, in pieces of a cell at most.

    What an image has in common in all cells is formatted once, and each name of an answer once for a cell.
    """
    yield ",".join(COLUMNS) + "\n"
    images = list(_image_texts(table.images()))
    classes = [f"{index},{_field(name)}" for index, name in enumerate(table.predictions.class_names)]
    for cell in table.cells:
        severity = cell.condition.severity
        start = f"{_field(cell.model)},{_field(cell.condition.transform)},{'' if severity is None else severity},"
        answers = table.answers(cell)
        for first in range(0, len(images), _BATCH):
            part = slice(first, first + _BATCH)
            yield "".join(
                f"{start}{image},{answer}\n"
                for image, answer in zip(images[part], _answer_texts(answers.at(part), classes), strict=True)
            )


def _image_texts(images: ImageColumns) -> Iterator[str]:
    indices: Iterable[object] = [""] * len(images.file) if images.index is None else images.index.tolist()
    for position, (index, file) in enumerate(zip(indices, images.file, strict=True)):
        yield f"{position},{index},{_field(file)}"


def _answer_texts(answers: AnswerColumns, classes: list[str]) -> Iterator[str]:
    """Yield class, answer, output, right and the two probabilities; the class alone of an image that was not read."""
    names = {output: f"{_field(name)},{output}" for output, name in answers.names.items()}
    rows = zip(
        answers.class_index.tolist(),
        answers.output.tolist(),
        answers.right.tolist(),
        # As text a float32 has the fewest digits that read back equal.
        map(str, answers.probability),
        map(str, answers.true_probability),
        strict=True,
    )
    for label, output, right, probability, true_probability in rows:
        given = f"{names[output]},{right:d},{probability},{_number(true_probability)}" if output >= 0 else ",,,,"
        yield f"{classes[label]},{given}"


def _number(text: str) -> str:
    """Return a probability as text, nothing for NaN."""
    return "" if text == "nan" else text


def _field(text: str) -> str:
    """Return a text as CSV holds it, in quotes if it needs them, and no formula."""
    field = io.StringIO()
    csv.writer(field, lineterminator="").writerow([for_csv(text), ""])
    return field.getvalue()[:-1]


def _write_parquet(table: ImageTable, file: BinaryIO) -> None:
    """Write the columns and values of the CSV file; no row group holds rows of two cells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    images, names = table.images(), pa.array(table.predictions.class_names, pa.string())
    shared = {
        "position": pa.array(np.arange(len(images.file))),
        "index": pa.nulls(len(images.file), pa.int64()) if images.index is None else pa.array(images.index),
        "file": pa.array([file or None for file in images.file], pa.string()),
    }
    types = {"severity": pa.int64(), "position": pa.int64(), "index": pa.int64(), "class_index": pa.int64()}
    types |= {"output": pa.int32(), "right": pa.int8(), "probability": pa.float32(), "true_probability": pa.float32()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])

    def row_groups() -> Iterator[Any]:
        for cell in table.cells:
            answers = table.answers(cell)
            for first in range(0, len(images.file), _BATCH):
                columns = {name: column[first : first + _BATCH] for name, column in shared.items()}
                columns |= _arrow_columns(cell, answers.at(slice(first, first + _BATCH)), names)
                yield pa.table([columns[name] for name in COLUMNS], schema=schema)

    with (
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=_REPEATED,
            column_encoding=dict.fromkeys(_ASCENDING, "DELTA_BINARY_PACKED"),
        ) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        # One row group is compressed while the next is read and made: half of the time each.
        written = pool.submit(lambda: None)
        for group in row_groups():
            written.result()
            written = pool.submit(writer.write_table, group)
        written.result()


def _arrow_columns(cell: Cell, answers: AnswerColumns, class_names: Any) -> dict[str, Any]:
    import pyarrow as pa

    lost: NDArray[np.bool_] = answers.output < 0
    outputs = [*answers.names]
    place = pa.array(np.searchsorted(outputs, answers.output), mask=lost)

    def column(values: NDArray[Any]) -> Any:
        return pa.array(values, mask=lost | np.isnan(values))

    def same(value: object, kind: Any) -> Any:
        return pa.repeat(pa.scalar(value, kind), len(lost))

    return {
        "model": same(cell.model, pa.string()),
        "transform": same(cell.condition.transform, pa.string()),
        "severity": same(cell.condition.severity, pa.int64()),
        "class_index": pa.array(answers.class_index),
        "class_name": class_names.take(pa.array(answers.class_index)),
        "answer": pa.array([answers.names[output] for output in outputs], pa.string()).take(place),
        "output": column(answers.output),
        "right": column(answers.right.astype(np.int8)),
        "probability": column(answers.probability),
        "true_probability": column(answers.true_probability),
    }


_WRITERS = {CSV: _write_csv, GZIP: _write_gzip, PARQUET: _write_parquet}
