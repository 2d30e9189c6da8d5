"""Say which classes a comparison with a baseline leaves out: those of which it has no image, or too few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.answers.shared_classes import shared_classes
from pytest_robustness.analysis.statistics.sign_flips import fewest_significant
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from pytest_robustness.analysis.answers import Overlap

_NAMED = 5
_WAY_OUT = (
    "Judge the images of the baseline, or write it anew with the model in production (--robustness-update-baseline)."
)


def uncompared(overlap: Overlap, conditions: int, alpha: float) -> tuple[str, ...]:
    """Return what of the classes is not compared, one sentence each; nothing where all are.

    That is a class of the baseline of which no image is compared, or too few to show any fall though the baseline has
    enough; a class of the run of which the baseline has no image; and the images of the run, or of one of its classes,
    where the baseline has less than half of them.

    Parameters
    ----------
    overlap
        The images of both.
    conditions, alpha
        How many conditions are compared, and the level: they say how many images of a class are enough.
    """
    shared = shared_classes(overlap)
    tests = max(conditions * int(np.count_nonzero(shared.compared)), 1)
    named = shared.left_out(fewest_significant(alpha, np.ones(tests)))
    parts = []
    if named:
        are = counted(len(named), "class of the baseline is", "classes of the baseline are")
        it = "it" if len(named) == 1 else "them"
        parts.append(
            f"{are} not compared, or on too few images: {abridged(named, _NAMED)}. "
            f"A pass says nothing of {it}. {_WAY_OUT}"
        )
    if shared.new:
        it = "it" if len(shared.new) == 1 else "them"
        parts.append(f"The baseline has no image of {abridged(shared.new, _NAMED)}: a pass says nothing of {it}.")
    apart, distinct = (int(np.count_nonzero(chosen)) for chosen in (overlap.apart, overlap.distinct[1]))
    new = _mostly_new(overlap)
    listed = f"They are most of {counted(len(new), 'class', 'classes')}: {abridged(new, _NAMED)}. " if new else ""
    if new or 2 * apart > distinct:
        share = f"{apart:,} of the {distinct:,} images of this run are not in the baseline"
        parts.append(f"{share}: a pass says nothing of them. {listed}{_WAY_OUT}")
    return tuple(parts)


def _mostly_new(overlap: Overlap) -> list[str]:
    """Return the classes of which the baseline has some of the run's images, and less than half.

    Those of which it has none are named otherwise.
    """
    labels, classes = overlap.now.labels, overlap.now.classes
    apart, distinct = (
        np.bincount(labels[chosen], minlength=len(classes)) for chosen in (overlap.apart, overlap.distinct[1])
    )
    mostly = np.flatnonzero((2 * apart > distinct) & (apart < distinct))
    return [f"{classes[i].name} ({apart[i]:,} of {distinct[i]:,} images)" for i in mostly]
