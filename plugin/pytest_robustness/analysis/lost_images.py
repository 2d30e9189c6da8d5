"""Find the images that a candidate lost: right with the baseline's model, wrong now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.findings import LostImage
from pytest_robustness.inference.loading.class_matching import answer_naming

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Cell
    from pytest_robustness.inference.image_names import ImageNames

MOST = 100


def lost_images(
    predictions: StoredPredictions, cell: Cell, before: NDArray[np.bool_], names: ImageNames | None
) -> tuple[LostImage, ...]:
    """Return the images that only the baseline's model got right, in the order of `in_order_of_loss`; 100 at most.

    Parameters
    ----------
    predictions, cell
        The finished cells, and the one of the candidate.
    before
        Which images the baseline's model got right: bool [N].
    names
        Names the images; without it they have no file name.
    """
    (output, targets), probability, *_ = predictions.scored(cell)
    labels = predictions.labels
    read = output >= 0
    right = output == targets[labels]
    positions = in_order_of_loss(before & read, right, probability, labels, read)[:MOST]
    files = [""] * len(positions) if names is None else names.of(positions, len(labels))
    answer = answer_naming(targets, predictions.classes, predictions.class_names)
    return tuple(
        LostImage(
            position=position,
            file=file,
            class_index=int(labels[position]),
            class_name=predictions.class_names[labels[position]],
            answer=answer(int(output[position])),
            probability=float(probability[position]),
        )
        for position, file in zip(positions.tolist(), files, strict=True)
    )


def in_order_of_loss(
    before: NDArray[np.bool_],
    now: NDArray[np.bool_],
    probability: NDArray[np.float32],
    labels: NDArray[np.int64],
    compared: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the positions of the images that were right before and are wrong now: int64 [n].

    The class whose accuracy fell most comes first, ties of classes by index; within a class, the wrong answers of which
    the candidate is surest.

    Parameters
    ----------
    before, now
        Whether the baseline's model was right on each image, and the candidate is: bool [N].
    probability
        Of the candidate's answers: float32 [N].
    labels
        The class of each image: int64 [N].
    compared
        Which images count: bool [N].
    """
    classes = int(labels.max(initial=-1)) + 1
    n, right_before, right_now = (
        np.bincount(labels[images & compared], minlength=classes) for images in (np.ones_like(compared), before, now)
    )
    rank = np.empty(classes, np.int64)
    rank[np.argsort(-(right_before - right_now) / np.maximum(n, 1), kind="stable")] = np.arange(classes)
    lost = np.flatnonzero(before & ~now & compared)
    return lost[np.lexsort((-probability[lost], rank[labels[lost]]))]
