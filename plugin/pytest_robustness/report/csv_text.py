"""Write tables as CSV: lines end in a line feed, NaN and ``None`` are empty, other floats keep every digit.

A text that a spreadsheet would run as a formula stands behind an apostrophe.
"""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from pytest_robustness.core.text import for_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[object]], float_format: str = "") -> str:
    r"""Return a table as CSV text.

    Parameters
    ----------
    columns
        The header.
    rows
        The cells of each row, in the order of ``columns``.
    float_format
        A format specification for floats; by default they are written so that they read back equal.

    Examples
    --------
    >>> csv_text(["name", "p"], [("a, b", 0.25), (None, float("nan"))])
    'name,p\n"a, b",0.25\n,\n'
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value, float_format) for value in row] for row in rows)
    return file.getvalue()


def _cell(value: object, float_format: str) -> object:
    if isinstance(value, str):
        return for_csv(value)
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else format(value, float_format) if float_format else repr(float(value))
