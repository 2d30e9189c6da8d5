"""Warn of a condition that changes no pixel, so that a test under it passes whatever the model is.

A shift of less than half a pixel is none; images of a few pixels have no other at the first severities.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.analysis.unchanged import unchanged
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.analysis.unchanged import Unchanged
    from pytest_robustness.core import Condition
    from pytest_robustness.report.thumbnails import Painter

_log = logging.getLogger(__name__)

# So many images of each model are looked at where no figure changed: all of them would be transformed once more.
_MOST: Final = 16


def no_change_warnings(
    predictions: StoredPredictions,
    models: Sequence[str],
    conditions: Sequence[Condition],
    painter: Callable[[], Painter],
) -> Iterator[str]:
    """Yield a sentence for each condition under which no figure changed, nor a pixel of the images looked at.

    ``painter`` opens the images; it is called where no figure changed.
    """
    for found in unchanged(predictions, models, conditions):
        try:
            if not _changes_no_pixel(found, painter()):
                continue
        except Exception:  # a user's source or transform may raise anything, and the findings stand without
            _log.debug("%s cannot be applied again", found.condition, exc_info=True)
            continue
        looked_at = counted(min(_MOST, len(found.positions)), "image")
        yield (
            f"{found.condition} changes nothing of these images: no pixel of {looked_at} looked at, and no answer and "
            f"no probability of {' and '.join(found.models)} on any of {len(found.positions):,}. To pass under it says "
            f"nothing. Take a higher severity, larger images, or leave it out."
        )


def _changes_no_pixel(found: Unchanged, painter: Painter) -> bool:
    positions = found.positions[:_MOST].tolist()
    return bool(positions) and all(
        painter.leaves(model, found.condition, position) for model in found.models for position in positions
    )
