"""Say which classes a comparison with a baseline leaves out: those of which it has no image, or too few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    enough; a class of the run of which the baseline has no image; and the run's images where the baseline has less than
    half of them.

    Parameters
    ----------
    overlap
        The images of both.
    conditions, alpha
        How many conditions are compared, and the level: they say how many images of a class are enough.
    """
    before, now = overlap.before, overlap.now
    # The code of a baseline's image modulo this is its class.
    width = len(before.classes) + 1
    n_before = np.bincount(np.unique(overlap.codes[0]) % width, minlength=width - 1)
    n_now = np.bincount(now.labels, minlength=len(now.classes))
    compared = np.bincount(now.labels[overlap.compared], minlength=len(now.classes))
    of_run = overlap.run_classes
    seen = np.where(of_run < 0, 0, compared[of_run])
    enough = fewest_significant(alpha, np.ones(max(conditions * int(np.count_nonzero(compared)), 1)))
    left_out = np.flatnonzero((n_before > 0) & ((seen == 0) | ((seen < enough) & (n_before >= enough))))
    named = [f"{before.classes[i].name} ({seen[i]} of {n_before[i]} images)" for i in left_out]
    parts = []
    if named:
        are = counted(len(named), "class of the baseline is", "classes of the baseline are")
        it = "it" if len(named) == 1 else "them"
        parts.append(
            f"{are} not compared, or on too few images: {abridged(named, _NAMED)}. "
            f"A pass says nothing of {it}. {_WAY_OUT}"
        )
    known = np.append(n_before > 0, np.False_)[overlap.class_positions]
    new = [now.classes[i].name for i in np.flatnonzero((n_now > 0) & ~known)]
    if new:
        it = "it" if len(new) == 1 else "them"
        parts.append(f"The baseline has no image of {abridged(new, _NAMED)}: a pass says nothing of {it}.")
    apart, distinct = int(np.count_nonzero(overlap.apart[1])), len(np.unique(overlap.codes[1]))
    if 2 * apart > distinct:
        share = f"{apart:,} of the {distinct:,} images of this run are not in the baseline"
        parts.append(f"{share}: a pass says nothing of them. {_WAY_OUT}")
    return tuple(parts)
