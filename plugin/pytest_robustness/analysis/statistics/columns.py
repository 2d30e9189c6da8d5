"""Assemble k test results as columns of k values each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_robustness.analysis.test_result import TestResult

MIN_OBSERVATIONS = 2
POWER = 0.8

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]
"""The numeric fields of a kind of `TestResult`, in their order, with one value per comparison: [k]."""
Part = Mapping[str, ArrayLike]
"""Some of these fields, for some of the comparisons."""

_Result = TypeVar("_Result", bound=TestResult)
_COUNTS = ("n", "lost", "gained")


def undecided(kind: type[TestResult], k: int) -> Columns:
    """Return the columns of k results of a kind before any is decided: counts are 0, figures NaN."""
    names = [field.name for field in dataclasses.fields(kind) if field.name != "test"]
    return {name: np.zeros(k, np.int64) if name in _COUNTS else np.full(k, np.nan) for name in names}


def fill(columns: Columns, rows: Bools, part: Part) -> None:
    """Write ``part`` into the ``rows`` (bool [k]) of ``columns``."""
    for name, values in part.items():
        columns[name][rows] = values


def to_results(make: Callable[..., _Result], columns: Columns, *last: object) -> list[_Result]:
    """Return one result per row, not corrected: ``p_adjusted`` is ``p_value``.

    Parameters
    ----------
    make
        The kind of result.
    columns
        Its numeric fields.
    last
        The values of the fields that follow them, the same in every row.
    """
    columns["p_adjusted"] = columns["p_value"]
    return [make(*row, *last) for row in zip(*(column.tolist() for column in columns.values()), strict=True)]
