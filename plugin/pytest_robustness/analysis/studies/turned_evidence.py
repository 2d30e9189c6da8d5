"""Read what models answered to the views of a run's images, and the EXIF tags of these."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.statistics.upright_view import VIEWS, log_odds
from pytest_robustness.analysis.studies.turned_ranking import ViewedImages
from pytest_robustness.core import CONTROL, Cell, Condition, OrientedSource
from pytest_robustness.core.errors import RobustnessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.studies.evidence import Evidence

_log = logging.getLogger(__name__)


def view_condition(view: str) -> Condition:
    """Return the condition that shows a view."""
    return CONTROL if view == CONTROL.transform else Condition(view)


def has_labels(evidence: Evidence, models: Sequence[str]) -> bool:
    """Whether the images have labels: without, no model gives the probability of one."""
    return bool(np.isfinite(evidence.predictions.scored(Cell(models[0], CONTROL)).true_probability).any())


def exif_tags(evidence: Evidence) -> NDArray[np.uint8]:
    """Return the EXIF code of each image of the run: uint8 [N]; 1 where the data has none, or is gone."""
    upright = np.ones(len(evidence.predictions.identities), np.uint8)
    try:
        source, indices = evidence.source()
        same = isinstance(source, OrientedSource) and len(indices) == len(upright)
        return source.orientations(indices) if isinstance(source, OrientedSource) and same else upright
    except RobustnessError:
        _log.debug("the data cannot be opened for its EXIF tags", exc_info=True)
        return upright


def viewed_images(
    evidence: Evidence, models: tuple[str, ...], tags: NDArray[np.uint8], *, labelled: bool
) -> ViewedImages:
    """Return the log-odds of the label under each view, or of the answer, of the images that every model could read."""
    cells = [[evidence.predictions.scored(Cell(model, view_condition(view))) for view in VIEWS] for model in models]
    known = np.array(
        [[log_odds(one.true_probability if labelled else one.probability) for one in row] for row in cells]
    )
    by_model = known.transpose(0, 2, 1)
    readable = np.flatnonzero(np.isfinite(by_model).all(axis=(0, 2)))
    classes = np.asarray(evidence.predictions.labels, np.int64)[readable]
    return ViewedImages(models, readable, by_model[:, readable], tags[readable], classes)
