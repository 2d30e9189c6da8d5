"""The scores of one shard while it is computed."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.inference.scoring import Scores, collect, first_not_finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, Predictions, Shard
    from pytest_robustness.inference.jobs import Job


@dataclasses.dataclass
class ShardScores:
    """The shard, the jobs that lack it, and their scores so far: batch by batch, with the rows of each batch."""

    shard: Shard
    jobs: Sequence[Job]
    _batches: defaultdict[Cell, list[Scores]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    _rows: list[NDArray[np.int64]] = dataclasses.field(default_factory=list)

    def add(self, positions: NDArray[np.int64], scores: Mapping[Cell, Scores]) -> None:
        """Add the scores of the images at ``positions`` (int64 [B]) of the selection."""
        self._rows.append(positions - self.shard.start)
        for cell, batch in scores.items():
            self._batches[cell].append(batch)

    @property
    def empty(self) -> bool:
        """Whether no image was scored, because none can be read."""
        return not self._rows

    def first_not_finite(self, cell: Cell) -> int | None:
        """Return the position in the selection of the first image with a logit that is NaN or infinite."""
        row = None if self.empty else first_not_finite(self._batches[cell])
        return None if row is None else int(self._all_rows()[row]) + self.shard.start

    def predictions(self, cell: Cell) -> Predictions:
        """Return the predictions of a cell, one row for each image of the shard."""
        return collect(self._batches[cell], self._all_rows(), self.shard.stop - self.shard.start)

    def _all_rows(self) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *self._rows])
