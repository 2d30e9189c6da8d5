"""Predict images without labels, as they are, on which a run estimates its models' accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.distinct_images import first_of_copies

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Predictions
    from pytest_robustness.inference.predictor import Predictor
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.store.store import StoredSelection

# Of images without labels nothing depends on which output stands for which class.
_ANY_OUTPUTS = (0,)


class UnlabelledImages:
    """Gives the answers of a run's models to images without labels.

    A model's key in the store is the one that it has under control in the run: keys know nothing of images.

    Parameters
    ----------
    name
        The images as the user names them.
    predictor
        Predicts them, and logs it apart from the run.
    of_predictor, run_log
        The log of ``predictor``, and that of the run, which remembers for which models the answers are stored.
    """

    def __init__(self, name: str, predictor: Predictor, of_predictor: RunLog, run_log: RunLog) -> None:
        self.name = name
        self._predictor = predictor
        self._of_predictor = of_predictor
        self._run_log = run_log

    def open_data(self) -> None:
        """Open the images, so that errors in them are reported early; raises what `Predictor.open_data` raises."""
        self._predictor.open_data()

    def compute(self, models: Iterable[str]) -> None:
        """Compute the answers of ``models`` that the store lacks, in one sweep.

        Raises
        ------
        RobustnessError
            When the images cannot be read. What prevents one model alone is raised by `answers`.
        """
        log = self._of_predictor
        cells = [Cell(model, CONTROL) for model in models if model not in self._run_log.unlabelled]
        if cells:
            self._predictor.probe(cells)
            self._run_log.unlabelled |= {cell.model: log.dataset for cell in cells if log.finished(cell)}

    def answers(self, model: str) -> Predictions:
        """Return the answers of a model, one row for each image; -1 where an image could not be read.

        Raises
        ------
        ModelError
            When they could not be computed.
        """
        self._of_predictor.require(Cell(model, CONTROL))
        images = self._images(model)
        cells = StoredCells(self._predictor.store, images.images, images.labels)
        return cells.predictions(self._run_log.keys[Cell(model, CONTROL)], _ANY_OUTPUTS)

    def distinct(self, model: str) -> NDArray[np.bool_]:
        """Return which of the images that a model answered are the first of their copies: bool [N]."""
        return first_of_copies(self._images(model).images, None)

    def _images(self, model: str) -> StoredSelection:
        return self._predictor.store.selection(self._run_log.unlabelled[model])

    def close(self) -> None:
        """Close the store."""
        self._predictor.close()
