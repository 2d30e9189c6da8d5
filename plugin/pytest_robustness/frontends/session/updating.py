"""Make a baseline of a run, write it over the former one, and say what moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.baseline.update import changes, former, lost_or_other, new_baseline, require_whole
from pytest_robustness.core.files import alone_in, short_path
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.core import Condition
    from pytest_robustness.report.build import RunRecord


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
    """Write ``new`` to ``path``; return what the terminal says: its files, what was lost, which accuracies moved.

    Parameters
    ----------
    path
        The baseline's main file; two others lie beside it.
    new
        What a run on ``models`` and ``conditions`` made.

    Raises
    ------
    BaselineError
        The former one would lose findings or cannot be read, or a file cannot be written.
    """
    with alone_in(path.parent):
        old = former(path)
        require_whole(old, new, models, conditions)
        told = [] if old is None else _told(old, new)
        changed = baseline.write(new, path)
    files = ", ".join(map(short_path, (path, baseline.classes_path(path), baseline.answers_path(path))))
    said = f"; {told[0]}" if told else "" if changed else " (unchanged)"
    return [f"Baseline, three files to commit: {files}{said}", *told[1:]]


def _told(old: baseline.Baseline, new: baseline.Baseline) -> list[str]:
    """Return what is lost or other, which a list of accuracies would hide, and then the accuracies that moved."""
    other, moved = lost_or_other(old, new), changes(old, new)
    overlap = baseline.Overlap(old.images, new.images)
    on = f" on the {counted(overlap.both, 'image')} in both" if overlap.only_before or overlap.only_now else ""
    accuracy = f"accuracy in percent{on}, old -> new:"
    if not other:
        return [accuracy, *moved] if moved else []
    return ["not as before:", *other, *([accuracy.capitalize(), *moved] if moved else [])]
