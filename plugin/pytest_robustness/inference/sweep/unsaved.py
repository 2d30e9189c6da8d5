"""The scores that a sweep has computed and not yet committed: at most some seconds of work, whatever is computed."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.core import Predictions
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result
from pytest_robustness.inference.sweep.scoring import Fetched, Scores
from pytest_robustness.models.present_weights import no_number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, EngineUsed, Selection
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loading.loaded_model import LoadedModel

# A commit waits for the disk and costs some milliseconds; half of what a run may lose.
COMMIT_SECONDS: Final = 15.0


class _Sealed(NamedTuple):
    """What was computed of some images: the positions of each job's, their scores, and what is called in the end."""

    positions: dict[Job, NDArray[np.int64]]
    scores: Fetched
    committed: Callable[[], None]


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
        self._sealed: deque[_Sealed] = deque()
        self._committed = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether more would be lost than a run may lose, if it ended now."""
        return time.monotonic() - self._committed > COMMIT_SECONDS

    @property
    def ready(self) -> bool:
        """Whether something sealed can be committed without waiting for the device."""
        return bool(self._sealed) and self._sealed[0].scores.ready

    def add(self, job: Job, positions: NDArray[np.int64], scores: Scores) -> None:
        """Add the scores of the images at ``positions`` (int64 [B]) of the selection."""
        self._batches[job].append((positions, scores))

    def drop(self, job: Job) -> None:
        """Drop what was computed for a job that has failed since; what is sealed stays."""
        self._batches.pop(job, None)

    def seal(self, committed: Callable[[], None]) -> None:
        """Seal what was added so far, and have it brought to the host while the device goes on.

        ``committed`` is called once it is committed.
        """
        batches, self._batches = self._batches, defaultdict(list)
        positions = {job: np.concatenate([where for where, _ in added]) for job, added in batches.items()}
        scores = Fetched([[scores for _, scores in added] for added in batches.values()])
        self._sealed.append(_Sealed(positions, scores, committed))

    def commit(self) -> dict[Cell, str]:
        """Commit everything; return an error for each cell with logits that give no answer."""
        self.seal(lambda: None)
        return self.commit_sealed(0)

    def commit_sealed(self, most: int) -> dict[Cell, str]:
        """Commit what was sealed, each time in one transaction, until no more than ``most`` seals are left.

        Return an error for each cell with logits that give no answer.
        """
        errors: dict[Cell, str] = {}
        while len(self._sealed) > most:
            errors |= self._commit(self._sealed.popleft())
        return errors

    def _commit(self, sealed: _Sealed) -> dict[Cell, str]:
        errors: dict[Cell, str] = {}
        results: list[Result] = []
        blocks: dict[tuple[bytes, bytes], Block] = {}
        for (job, positions), (predictions, finite) in zip(
            sealed.positions.items(), sealed.scores.results(), strict=True
        ):
            if not finite.all():
                errors[job.cell] = self._not_finite_text(job, int(positions[~finite].min()))
                continue
            targets = job.loaded.targets(self._selection.labels[positions]).astype(np.int32)
            block = blocks.setdefault(
                (positions.tobytes(), targets.tobytes()), Block(self._selection.identities[positions], targets)
            )
            engine = self._engine(job.loaded)
            results.append(Result(job.key, job.description, engine, block, Predictions(*predictions)))
        self._committed = time.monotonic()
        if results:
            self._put(results)
        sealed.committed()
        return errors

    def _not_finite_text(self, job: Job, position: int) -> str:
        image = self._selection.source.describe(int(self._selection.indices[position]))
        return (
            f"{job.loaded.name} under {job.condition} returned logits that give no answer, first for {image}: one "
            f"is NaN or plus infinity, or none is finite. Its accuracy would mean nothing."
            f"{no_number_text(job.loaded.model.module)}"
        )
