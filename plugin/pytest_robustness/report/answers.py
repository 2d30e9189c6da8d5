"""Write the answers of the run for later comparisons: ``answers.npz``, by the content of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis.answers import ImageSet, RecordedAnswers, RecordedModel, RunProtocol, files
from pytest_robustness.core import CONTROL
from pytest_robustness.core.files import publishing, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.core import Cell, Condition
    from pytest_robustness.report.run_report import RunReport

FILES = (files.NAME,)


def write(report: RunReport, folder: Path) -> list[Path]:
    """Write the file into ``folder``, whole or not at all, and return its path.

    Nothing is written where the images have no labels, no cell is finished, or there are more than a hundred million
    answers.

    Raises
    ------
    RobustnessError
        When the folder cannot be written, or the store lacks predictions.
    """
    path = folder / files.NAME
    recorded = _recorded(report)
    if recorded is None:
        return []
    with publishing(folder):
        write_atomically(path, files.pack(recorded))
    return [path]


def _recorded(report: RunReport) -> RecordedAnswers | None:
    table, keys = report.images, report.provenance.get("transform_keys")
    if table is None or not report.labelled or not keys or not 0 < table.rows <= files.MOST_ANSWERS:
        return None
    predictions = table.predictions
    cells: dict[str, list[Cell]] = {}
    for cell in table.cells:
        if cell.condition == CONTROL or str(cell.condition) in keys:
            cells.setdefault(cell.model, []).append(cell)
    models = {
        model: RecordedModel(
            fingerprint=report.provenance["models"][model]["fingerprint"],
            outputs=predictions.outputs(its[0]).targets,
            answers={cell.condition: predictions.outputs(cell).predicted for cell in its},
        )
        for model, its in cells.items()
    }
    conditions = {cell.condition for its in cells.values() for cell in its} | {CONTROL}
    images = ImageSet(predictions.identities, predictions.labels, predictions.classes)
    return RecordedAnswers(_protocol(report, conditions), images, models)


def _protocol(report: RunReport, conditions: set[Condition]) -> RunProtocol:
    provenance = report.provenance
    return RunProtocol(
        data=provenance["dataset"]["name"],
        seed=provenance["options"]["seed"],
        pipeline=provenance["pipeline"],
        transforms={c: provenance["transform_keys"].get(str(c), str(CONTROL)) for c in sorted(conditions, key=str)},
        tests={},
        outputs=provenance["options"].get("outputs", "all"),
    )
