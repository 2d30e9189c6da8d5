"""Tell which models of two runs without labels cannot be called better or worse: each has its own right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.text import abridged, printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_robustness.analysis.comparing.recorded_run import RecordedRun

_NAMED = 5


def of_other_answers(
    before: RecordedRun, now: RecordedRun, models: Iterable[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    """Return the pairs of models whose right answers are not the same; none where the runs have labels.

    Without labels they are the model's own answers to untouched images, which no run records one by one. They are taken
    for the same where the weights are, and where control has as many images in each class.
    """
    if before.labelled:
        return frozenset()
    return frozenset(pair for pair in models if not _same(before, now, *pair))


def said_of(pairs: Collection[tuple[str, str]], labelled: bool) -> list[str]:
    """Return what the figures of runs without labels are, and which pairs of models they do not compare."""
    if labelled:
        return []
    what = (
        "Without labels (--robustness-labels=none) an accuracy is the agreement of a model with its own answers to "
        "untouched images, and no accuracy."
    )
    if not pairs:
        return [what]
    named = abridged([printable(old if old == new else f"{old} and {new}") for old, new in sorted(pairs)], _NAMED)
    none = f"Those answers are not the same in both runs: nothing is called better or worse of {named}."
    return [f"{what} {none} To compare these, run both with labels."]


def _same(before: RecordedRun, now: RecordedRun, old: str, new: str) -> bool:
    first, second = before.counts.get(Cell(old, CONTROL)), now.counts.get(Cell(new, CONTROL))
    weights = before.models.get(old)
    if not weights or weights != now.models.get(new) or first is None or second is None:
        return False
    return before.fingerprint == now.fingerprint and np.array_equal(first.n, second.n)
