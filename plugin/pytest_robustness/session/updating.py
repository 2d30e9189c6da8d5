"""Make a baseline of a run, write it over the former one, and say what moved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.baseline.update import changes, new_baseline, require_whole
from pytest_robustness.core.files import short_path
from pytest_robustness.errors import RobustnessError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.core import Condition
    from pytest_robustness.report.build import RunRecord

_log = logging.getLogger(__name__)


def baseline_of(run: RunRecord, protocol: baseline.RunProtocol, images: baseline.ImageSet) -> baseline.Baseline:
    """Return the baseline that a run on ``images`` makes."""
    return new_baseline(
        protocol,
        images,
        run.predictions,
        run.judge,
        tuple(dict.fromkeys(cell.model for cell in run.run_log.wanted.cells)),
        {model: facts.fingerprint for model, facts in run.run_log.models.items()},
    )


def update_baseline(
    path: Path, new: baseline.Baseline, models: Sequence[str], conditions: Sequence[Condition]
) -> list[str]:
    """Write ``new`` to ``path``; return what the terminal says of it: its files, and which accuracies moved.

    Parameters
    ----------
    path
        The baseline's main file; two others lie beside it.
    new
        What a run on ``models`` and ``conditions`` made.

    Raises
    ------
    BaselineError
        The former one would lose findings, or a file cannot be written.
    """
    old = _former(path)
    require_whole(old, new, models, conditions)
    moved = [] if old is None else changes(old, new)
    changed = baseline.write(new, path)
    files = ", ".join(map(short_path, (path, baseline.classes_path(path), baseline.answers_path(path))))
    said = "; accuracy in percent, old -> new:" if moved else "" if changed else " (unchanged)"
    return [f"Baseline, three files to commit: {files}{said}", *moved]


def _former(path: Path) -> baseline.Baseline | None:
    """Return the baseline that is to be written over; ``None`` where none can be read."""
    try:
        return baseline.read(path)
    except RobustnessError:
        _log.debug("there is no former baseline that can be read", exc_info=True)
        return None
