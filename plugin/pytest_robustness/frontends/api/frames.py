"""Put the findings of an evaluation into data frames: the tables of a report, as pandas has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.report import tables
from pytest_robustness.report.image_table import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_robustness.core import Cell
    from pytest_robustness.report.image_table import AnswerColumns, ImageColumns
    from pytest_robustness.report.run_report import RunReport

# Columns of tests.csv that the tests of one kind never have a figure for.
_NOT_OF_MODELS: Final = (
    *("kind", "class_index", "class_name", "sensitive", "beyond", "alone", "images_p_adjusted", "blind"),
    *("expected_change", "expected_low", "expected_high"),
)
_NOT_OF_CLASSES: Final = (
    *("kind", "model", "reason", "images_lost", "images_gained", "images_to_decide"),
    *("images_ci_low", "images_ci_high", "images_level", "control_top5", "top5"),
)


def frame(report: RunReport, kind: str) -> pd.DataFrame:
    """Return one of the tables of a report.

    Parameters
    ----------
    report
        Of the run.
    kind
        ``models``: a row for each model test; ``classes``: for each test of a class; ``tests``: both, with the columns
        of ``tests.csv``; ``images``: for each image under each cell, with those of ``images.csv``.

    Raises
    ------
    OptionError
        There is no such table.
    RobustnessError
        The store lacks answers.
    """
    if kind not in KINDS:
        raise OptionError(unknown("table", kind, KINDS))
    return KINDS[kind](report)


def _tests(report: RunReport) -> pd.DataFrame:
    found = pd.DataFrame(list(tables.tests_rows(tables.as_dict(report))), columns=list(tables.TESTS_COLUMNS))
    # What no row has is missing, not an object that may be anything.
    kinds = {"severity": "Int64", "class_index": "Int64", "control_top5": "float64", "top5": "float64"}
    return found.astype(kinds)


def _models(report: RunReport) -> pd.DataFrame:
    tests = _tests(report)
    return tests[tests["kind"] == "model"].drop(columns=[*_NOT_OF_MODELS]).infer_objects().reset_index(drop=True)


def _classes(report: RunReport) -> pd.DataFrame:
    tests = _tests(report)
    return tests[tests["kind"] == "class"].drop(columns=[*_NOT_OF_CLASSES]).infer_objects().reset_index(drop=True)


def _images(report: RunReport) -> pd.DataFrame:
    table = report.images
    if table is None or not table.cells:
        return pd.DataFrame(columns=list(COLUMNS))
    images = table.images()
    names = table.predictions.class_names
    cells = [_cell(cell, table.answers(cell), images, names) for cell in table.cells]
    return pd.concat(cells, ignore_index=True)


def _cell(cell: Cell, answers: AnswerColumns, images: ImageColumns, names: tuple[str, ...]) -> pd.DataFrame:
    read = answers.output >= 0
    count = len(read)
    columns = {
        "model": cell.model,
        "transform": cell.condition.transform,
        "severity": pd.array([cell.condition.severity] * count, dtype="Int64"),
        "position": np.arange(count),
        "index": pd.array([None] * count if images.index is None else images.index, dtype="Int64"),
        "file": images.file,
        "class_index": answers.class_index,
        "class_name": [names[index] for index in answers.class_index.tolist()],
        "answer": [answers.names.get(output) for output in answers.output.tolist()],
        "output": pd.array(answers.output, dtype="Int64"),
        "right": pd.array(answers.right, dtype="boolean"),
        "probability": answers.probability,
        "true_probability": answers.true_probability,
    }
    found = pd.DataFrame(columns)[list(COLUMNS)]
    found.loc[~read, ["answer", "output", "right", "probability", "true_probability"]] = None
    return found


KINDS: Final[Mapping[str, Callable[[RunReport], pd.DataFrame]]] = {
    "models": _models,
    "classes": _classes,
    "tests": _tests,
    "images": _images,
}
