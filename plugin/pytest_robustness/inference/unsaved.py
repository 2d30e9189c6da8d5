"""The scores that a sweep has computed and not yet committed: at most some seconds of work, whatever is computed."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.core import Predictions
from pytest_robustness.inference.scoring import Scores, joined
from pytest_robustness.inference.store import Result
from pytest_robustness.inference.store_rows import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, EngineUsed, Selection
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loaded_model import LoadedModel

# A commit waits for the disk and costs some milliseconds; half of what a run may lose.
COMMIT_SECONDS: Final = 15.0


class Unsaved:
    """Collects the scores of jobs, batch by batch, until they are committed.

    Parameters
    ----------
    put
        Receives them: commits them to the store, or collects what an actor hands to the driver.
    selection
        The images of the run.
    engine
        Returns what ran a model.
    """

    def __init__(
        self,
        put: Callable[[Sequence[Result]], None],
        selection: Selection,
        engine: Callable[[LoadedModel], EngineUsed],
    ) -> None:
        self._put = put
        self._selection = selection
        self._engine = engine
        self._batches: dict[Job, list[tuple[NDArray[np.int64], Scores]]] = defaultdict(list)
        self._committed = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether more would be lost than a run may lose, if it ended now."""
        return time.monotonic() - self._committed > COMMIT_SECONDS

    def add(self, job: Job, positions: NDArray[np.int64], scores: Scores) -> None:
        """Add the scores of the images at ``positions`` (int64 [B]) of the selection."""
        self._batches[job].append((positions, scores))

    def drop(self, job: Job) -> None:
        """Drop what was computed for a job that has failed since."""
        self._batches.pop(job, None)

    def commit(self) -> dict[Cell, str]:
        """Commit everything in one transaction; return an error for each cell with a logit that is not finite."""
        errors: dict[Cell, str] = {}
        results: list[Result] = []
        blocks: dict[tuple[bytes, bytes], Block] = {}
        for job, batches in self._batches.items():
            positions = np.concatenate([where for where, _ in batches])
            predictions, finite = joined([scores for _, scores in batches])
            if not finite.all():
                errors[job.cell] = self._not_finite_text(job, int(positions[~finite].min()))
                continue
            targets = job.loaded.targets(self._selection.labels[positions]).astype(np.int32)
            block = blocks.setdefault(
                (positions.tobytes(), targets.tobytes()), Block(self._selection.identities[positions], targets)
            )
            engine = self._engine(job.loaded)
            results.append(Result(job.key, job.description, engine, block, Predictions(*predictions)))
        self._batches.clear()
        self._committed = time.monotonic()
        if results:
            self._put(results)
        return errors

    def _not_finite_text(self, job: Job, position: int) -> str:
        image = self._selection.source.describe(int(self._selection.indices[position]))
        return (
            f"{job.loaded.name} under {job.condition} returned a logit that is NaN or infinite, first for {image}. Its "
            f"accuracy would mean nothing."
        )
