"""Write the comparison of two runs for programs: as JSON, as CSV, and as rows for data frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.report.csv_text import csv_text
from pytest_robustness.report.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.analysis.comparing import CellComparison, Figures, RecordedRun, RunComparison

SCHEMA_VERSION: Final = 1
_CHURN: Final = ("harmful", "beneficial", "other_wrong")


def csv(found: RunComparison) -> str:
    """Return the table of all classes."""
    rows = list(class_rows(found))
    return csv_text(tuple(rows[0]) if rows else (), (row.values() for row in rows))


def text(found: RunComparison) -> str:
    """Return the JSON file; figures that are not defined are ``null``."""
    return json_text(as_dict(found))


def as_dict(found: RunComparison) -> dict[str, Any]:
    """Return the content of the file; accuracies in percent, differences in points."""
    shared = found.shared
    return {
        "schema_version": SCHEMA_VERSION,
        "before": _run(found.before),
        "now": _run(found.now),
        "differences": [one._asdict() for one in found.differences],
        "worse": found.worse,
        "alpha": found.alpha,
        "images": None
        if shared is None
        else {"both": shared.both, "only_before": shared.only_before, "only_now": shared.only_now},
        "comparisons": list(model_rows(found)),
        # A thousand classes of twelve models under ten conditions are a hundred thousand: the table has them all.
        "classes": [row for row in class_rows(found) if row["worse"] or row["better"]],
        "left_out": list(found.left_out),
        "notes": list(found.notes),
    }


def model_rows(found: RunComparison) -> Iterator[dict[str, Any]]:
    """Yield a row for each model under each condition."""
    for cell in found.cells:
        row = _place(cell) | _figures(cell.overall, 0)
        yield row | {"worse": cell.worse, "better": cell.better, "worse_classes": len(cell.worse_classes)}


def class_rows(found: RunComparison) -> Iterator[dict[str, Any]]:
    """Yield a row for each class under each condition, of each model."""
    for cell in found.cells:
        if cell.classes is None:
            continue
        worse, better = cell.classes.worse(cell.alpha), cell.classes.better(cell.alpha)
        for index, name in enumerate(found.classes):
            row = _place(cell) | {"class_index": index, "class_name": name} | _figures(cell.classes, index)
            yield row | {"worse": cell.decides and bool(worse[index]), "better": cell.decides and bool(better[index])}


def _place(cell: CellComparison) -> dict[str, Any]:
    condition = cell.condition
    return {
        "before_model": cell.before,
        "model": cell.model,
        "transform": condition.transform,
        "severity": condition.severity,
        "paired": cell.paired,
    }


def _figures(found: Figures, index: int) -> dict[str, Any]:
    n_before, n_now, right_before, right_now = (int(column[index]) for column in found[:4])
    churn = (None, None, None) if found.churn is None else found.churn[1:, index].tolist()
    return {
        "images_before": n_before,
        "images": n_now,
        "accuracy_before": 100 * right_before / n_before if n_before else math.nan,
        "accuracy": 100 * right_now / n_now if n_now else math.nan,
        "difference": 100 * (right_now / n_now - right_before / n_before) if n_before and n_now else math.nan,
        "ci_low": float(found.low[index]),
        "ci_high": float(found.high[index]),
        "p_value": float(found.p_value[index]),
        "p_adjusted": float(found.p_adjusted[index]),
        **dict(zip(_CHURN, churn, strict=True)),
    }


def _run(run: RecordedRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "data": run.data,
        "fingerprint": run.fingerprint or None,
        "models": dict(run.models),
        "circumstances": dict(run.circumstances) or None,
    }
