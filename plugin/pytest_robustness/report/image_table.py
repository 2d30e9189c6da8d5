"""Read what every model answers to every image, a cell at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.inference.loading.class_matching import answer_naming

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Cell
    from pytest_robustness.inference.image_names import ImageNames

COLUMNS = (
    "model",
    "transform",
    "severity",
    "position",
    "index",
    "file",
    "class_index",
    "class_name",
    "answer",
    "output",
    "right",
    "probability",
    "true_probability",
)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageColumns:
    """What is the same of an image in every cell: N entries each.

    ``index`` is its place in the dataset (int64; ``None`` where the data is gone), ``file`` its path or other name.
    """

    index: NDArray[np.int64] | None
    file: list[str]


class AnswerColumns(NamedTuple):
    """One model's answers to the images under one condition: N entries each.

    ``output`` is the model's output (int32; -1 where the image could not be read), ``names`` the name of every output
    that occurs, ``right`` whether it is that of the true class (bool), ``probability`` its probability and
    ``true_probability`` that of the true class (float32; NaN where the image could not be read, or has no label).
    ``class_index`` is the class by which the model is counted (int64).
    """

    output: NDArray[np.int32]
    names: dict[int, str]
    right: NDArray[np.bool_]
    probability: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    class_index: NDArray[np.int64]

    def at(self, rows: slice) -> AnswerColumns:
        """Return the answers to some of the images."""
        return AnswerColumns(
            self.output[rows],
            self.names,
            self.right[rows],
            self.probability[rows],
            self.true_probability[rows],
            self.class_index[rows],
        )


@dataclasses.dataclass(frozen=True, eq=False)
class ImageTable:
    """Every image under every cell, of which nothing is read before it is asked for.

    Parameters
    ----------
    predictions
        The finished cells.
    cells
        Those to show, in order.
    names
        Names the images.
    """

    predictions: StoredPredictions
    cells: tuple[Cell, ...]
    names: ImageNames

    @property
    def rows(self) -> int:
        """How many rows the table has: images times cells."""
        return len(self.cells) * len(self.predictions.labels)

    def images(self) -> ImageColumns:
        """Return the columns that all cells share."""
        images = len(self.predictions.labels)
        return ImageColumns(self.names.indices(images), self.names.of(np.arange(images), images))

    def answers(self, cell: Cell) -> AnswerColumns:
        """Return the columns of one cell.

        Raises
        ------
        RobustnessError
            When the store lacks shards of it.
        """
        predictions = self.predictions
        (output, targets), probability, true_probability, *_ = predictions.scored(cell)
        name = answer_naming(targets, predictions.classes, predictions.class_names)
        names = {answer: name(answer) for answer in np.flatnonzero(np.bincount(output[output >= 0])).tolist()}
        labels = predictions.labels_of(cell.model)
        return AnswerColumns(output, names, output == targets[labels], probability, true_probability, labels)
