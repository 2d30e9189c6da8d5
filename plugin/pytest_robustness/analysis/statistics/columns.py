"""What the tests share: k results in the making, as columns of k values each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_robustness.analysis.test_result import TestKind, TestResult

MIN_OBSERVATIONS = 2
POWER = 0.8

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]
"""Every field of `TestResult` but ``test``, in the record's order, with one value per comparison: [k]."""
Part = Mapping[str, ArrayLike]
"""Some of these fields, for some of the comparisons."""


def undecided(k: int) -> Columns:
    """Return the columns of k results that say nothing yet: no observations, and NaN."""
    names = [field.name for field in dataclasses.fields(TestResult) if field.name != "test"]
    return {name: np.zeros(k, np.int64) if name == "n" else np.full(k, np.nan) for name in names}


def fill(columns: Columns, rows: Bools, part: Part) -> None:
    """Write ``part`` into the ``rows`` (bool [k]) of ``columns``."""
    for name, values in part.items():
        columns[name][rows] = values


def to_results(test: TestKind, columns: Columns) -> list[TestResult]:
    """Return one result per row, not corrected: ``p_adjusted`` is ``p_value``."""
    columns["p_adjusted"] = columns["p_value"]
    return [TestResult(test, *row) for row in zip(*(column.tolist() for column in columns.values()), strict=True)]
