"""What a study may look at, and have computed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Cell, DataSource, Panel
    from pytest_robustness.inference.image_names import ImageNames
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.unlabelled import UnlabelledImages
    from pytest_robustness.transforms import Registry


def _nothing(_: Iterable[Cell]) -> None:
    """Compute nothing: what is needed is in the store."""


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """What the user asked of the studies.

    ``severity`` is that of a question that names none: the run's, or 3 where the run has several, which are
    ``severities`` (none: that one alone). ``suspects`` is how many images a list holds at
    most; ``transforms`` are those that the options name, none where they name none. ``reference`` is the model that
    others were exported from, ``parity_margin`` the share of images, in percent, that they may answer otherwise.
    ``objects`` are the names of models that the run was given as objects.
    """

    severity: int
    seed: int
    suspects: int
    transforms: tuple[str, ...] = ()
    reference: str | None = None
    parity_margin: float = 1.0
    objects: frozenset[str] = frozenset()
    severities: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """What a run knows, for a study.

    Parameters
    ----------
    predictions
        The finished cells.
    run_log
        Which cells are finished, and the errors of the others.
    judge
        Makes the findings of sensitivity that a study builds on.
    registry
        The known transforms.
    options
        What the user asked of the studies.
    source
        Returns the source of the images, and the indices of those of the run (int64 [N]); raises `DataError` where the
        data is gone.
    names
        Names the images.
    planned
        By study, everything that tests of this run ask of it, so that one sweep serves all.
    unlabelled
        The images without labels on which accuracy is estimated; ``None`` where the user named none.
    compute
        Computes the cells that the store lacks, in one sweep. Afterwards `RunLog.finished` says which could be; it
        raises `RobustnessError` where the data cannot be read. By default it computes nothing.
    """

    predictions: StoredPredictions
    run_log: RunLog
    judge: Judge
    registry: Registry
    options: StudyOptions
    source: Callable[[], tuple[DataSource, NDArray[np.int64]]]
    names: ImageNames
    unlabelled: UnlabelledImages | None = None
    planned: Mapping[str, tuple[Cell | Panel, ...]] = dataclasses.field(default_factory=dict)
    compute: Callable[[Iterable[Cell]], None] = _nothing

    @property
    def policy(self) -> TestPolicy:
        """How the run tests, and when it fails."""
        return self.judge.policy

    def require_labels(self, study: str) -> None:
        """Raise `OptionError` for a study that goes by classes, where the images have no labels."""
        if not self.predictions.labelled:
            raise OptionError(f"The study {study} goes by classes, and the images of this run have no labels.")

    def computed(self, cells: Iterable[Cell]) -> None:
        """Compute ``cells``, of which every one is needed.

        Raises
        ------
        RobustnessError
            When one of them could not be computed.
        """
        listed = tuple(cells)
        self.compute(listed)
        self.run_log.require(*listed)

    def able(self, cells: Mapping[str, Sequence[Cell]]) -> tuple[str, ...]:
        """Compute the cells of several models, and return those models of which all cells could be computed.

        Raises
        ------
        RobustnessError
            When there is no such model.
        """
        listed = [cell for of_model in cells.values() for cell in of_model]
        self.compute(listed)
        found = tuple(model for model, of_model in cells.items() if self.run_log.finished(*of_model))
        if not found:
            self.run_log.require(*listed)
        return found
