"""Write the answers of this run as the baseline of later ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.text import printable
from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.analysis.answers import ImageSet, RunProtocol
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Condition


_MOST_LINES = 40


def accuracies(baseline: Baseline) -> dict[tuple[str, Condition], float]:
    """Return the accuracy of each model under each condition, in percent; NaN without a readable image."""
    labels, readable = baseline.images.labels, baseline.readable
    return {
        (name, condition): float(100 * model.right(condition, labels)[readable].mean()) if readable.any() else math.nan
        for name, model in baseline.models.items()
        for condition in model.answers
    }


def changes(old: Baseline, new: Baseline) -> list[str]:
    """Return a line for each accuracy that a new baseline changes, old -> new; forty at most."""
    before, now = accuracies(old), accuracies(new)
    lines = []
    for model, condition in dict.fromkeys((*now, *before)):
        was, is_now = (f"{found[model, condition]:.2f}" if (model, condition) in found else "none"
                       for found in (before, now))  # fmt: skip
        if was != is_now:
            both = (model, condition) in before and (model, condition) in now
            points = f" ({now[model, condition] - before[model, condition]:+.2f})" if both else ""
            lines.append(f"  {printable(model)} {printable(str(condition))}: {was} -> {is_now}{points}")
    left = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"  and {left:,} more"] if left > 0 else [])]


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
