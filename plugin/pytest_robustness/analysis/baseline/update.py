"""Write the answers of this run as the baseline of later ones."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.answers import Overlap
from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
from pytest_robustness.analysis.baseline.comparable import differences, other_tests
from pytest_robustness.analysis.baseline.files import read
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import BaselineError
from pytest_robustness.core.text import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers import ImageSet, RunProtocol
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Condition

_log = logging.getLogger(__name__)

_MOST_LINES = 40


def former(path: Path) -> Baseline | None:
    """Return the baseline that is to be written over; ``None`` where there is none.

    Raises
    ------
    BaselineError
        One is there that cannot be read: nobody could say what it would lose.
    """
    if not os.path.exists(path):  # noqa: PTH110 (that of pathlib raises where it may not look)
        return None
    try:
        return read(path)
    except BaselineError as error:
        _log.debug("the former baseline cannot be read", exc_info=True)
        raise BaselineError(f"The baseline was left as it is, as nobody can tell what it would lose. {error}") from None


def lost_or_other(old: Baseline, new: Baseline) -> list[str]:
    """Return what a new baseline no longer has, or has of something else, a line each: all that accuracies do not say.

    Models and conditions that are gone, the images, and each difference in how the answers came about.
    """
    both = dataclasses.replace(
        new.protocol,
        transforms={c: key for c, key in new.protocol.transforms.items() if c in old.protocol.transforms},
    )
    lines = [f"model gone: {printable(name)}" for name in old.models if name not in new.models]
    gone = [condition for condition in old.protocol.transforms if condition not in new.protocol.transforms]
    lines += [f"condition gone: {printable(str(condition))}" for condition in gone]
    overlap = Overlap(old.images, new.images)
    if overlap.only_before or overlap.only_now:
        lines.append(f"images: {len(old.images.labels):,} -> {len(new.images.labels):,}, {overlap.both:,} in both")
    differing = differences(old.protocol, both, advise=False) + other_tests(old.protocol, new.protocol)
    return [f"  {line}" for line in (*lines, *map(printable_lines, differing))]


def changes(old: Baseline, new: Baseline) -> list[str]:
    """Return a line for each accuracy that a new baseline changes, old -> new; forty at most.

    Both are of the images that both have and could read: accuracies on other images tell nothing of the models. What
    is gone is told by `lost_or_other`.
    """
    positions = Overlap(old.images, new.images).positions
    # Position -1 is the entry that is appended.
    shared = np.append(old.readable, np.False_)[positions] & new.readable
    if not shared.any():
        return []
    before, now = _accuracies(old, positions[shared]), _accuracies(new, np.flatnonzero(shared))
    lines = []
    for (model, condition), is_now in now.items():
        was = before.get((model, condition))
        said = "none" if was is None else f"{was:.2f}"
        if said != f"{is_now:.2f}":
            points = "" if was is None else f" ({is_now - was:+.2f})"
            lines.append(f"  {printable(model)} {printable(str(condition))}: {said} -> {is_now:.2f}{points}")
    left = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"  and {left:,} more"] if left > 0 else [])]


def _accuracies(baseline: Baseline, images: NDArray[np.int64]) -> dict[tuple[str, Condition], float]:
    """Return the accuracy of each model under each condition on some of its images, in percent."""
    labels = baseline.images.labels
    return {
        (name, condition): float(100 * model.right(condition, labels)[images].mean())
        for name, model in baseline.models.items()
        for condition in model.answers
    }


def require_whole(old: Baseline | None, new: Baseline, models: Sequence[str], conditions: Sequence[Condition]) -> None:
    """Refuse to write a baseline that lacks what the old one has and the run's options name, as tests were left out.

    Parameters
    ----------
    old, new
        What is there, ``None`` if nothing is, and what would be written in its place.
    models, conditions
        Those that the options name: with all tests, the run would have had them.

    Raises
    ------
    BaselineError
        It names what would be lost.
    """
    if old is None:
        return
    left = [printable(name) for name in old.models if name in models and name not in new.models]
    left += [
        printable(str(condition))
        for condition in old.protocol.transforms
        if condition in conditions and condition not in new.protocol.transforms
    ]
    if left:
        raise BaselineError(
            f"The baseline was left as it is: of what it holds, the tests that were selected leave out "
            f"{', '.join(left)}. Write it with all tests: without -k, -m and names of tests. To keep less in it, name "
            f"less with --robustness-models and --robustness-transforms."
        )


def new_baseline(
    protocol: RunProtocol,
    images: ImageSet,
    predictions: StoredPredictions,
    judge: Judge,
    models: Sequence[str],
    fingerprints: Mapping[str, str],
) -> Baseline:
    """Return the baseline that this run gives. Every model is tested, not only those that tests asked for.

    Parameters
    ----------
    protocol
        Of the run: its conditions are those of the baseline.
    images
        Those of the run, in the order of the answers.
    predictions, judge
        The finished cells, and how they are judged.
    models
        The models that the run was to judge.
    fingerprints
        Of the models that could be loaded.

    Raises
    ------
    BaselineError
        When a cell is missing: a baseline must hold all that a later run is compared with.
    """
    if not models:
        raise BaselineError("No baseline was written: this run judged no model.")
    baseline = {}
    for name in models:
        cells = [Cell(name, condition) for condition in protocol.transforms]
        missing = [str(cell.condition) for cell in cells if not predictions.finished([cell])]
        if missing:
            raise BaselineError(f"No baseline was written: {name} has no result under {', '.join(missing)}.")
        baseline[name] = BaselineModel(
            fingerprint=fingerprints[name],
            outputs=predictions.outputs(cells[0]).targets,
            answers={cell.condition: predictions.outputs(cell).predicted for cell in cells},
            outcomes={
                cell.condition: judge.model_test(cell).verdict.outcome for cell in cells if cell.condition != CONTROL
            },
        )
    return Baseline(protocol, images, baseline)
