"""The sweep: decode each image once, transform it once per canvas and condition, and run every model on the result."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING, Literal

import torch

from pytest_robustness.core import Canvas, Cell, Condition, Preprocess, Progress, Runner, Selection, Shard, Workload
from pytest_robustness.errors import DataError, ErrorText, TransformError, cause
from pytest_robustness.inference.device import cores_shared, equal_batches, pixels_at_once, to_device
from pytest_robustness.inference.jobs import Job
from pytest_robustness.inference.loader import Batch, batches
from pytest_robustness.inference.memory import BatchTooLargeError, free_memory, is_out_of_memory
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.prepared_models import PreparedModels
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.scoring import Scores, score
from pytest_robustness.inference.shard_scores import ShardScores
from pytest_robustness.inference.user_calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Model
    from pytest_robustness.inference.claims import ShardClaims
    from pytest_robustness.inference.store import Store

_log = logging.getLogger(__name__)

# Images in a shard, where settings name no other number.
SHARD_SIZE = 512

# Jobs grouped by what they share, which is computed once at each level.
_Groups = dict[Canvas, dict[Condition, dict[Preprocess, list[Job]]]]


@dataclasses.dataclass(frozen=True)
class SweepSettings:
    """How to compute, as opposed to what: of these only ``precision`` and ``seed`` change a result.

    ``processes`` is how many processes share the machine's cores.
    """

    device: torch.device
    precision: str
    seed: int
    workers: int
    on_bad_image: Literal["error", "skip"]
    batch_size: int | None = None
    processes: int = 1
    shard_size: int = dataclasses.field(default_factory=lambda: SHARD_SIZE)


class Sweep:
    """Fills the store with every cell of ``jobs``; what is stored already is not computed again.

    A job that fails is left out from then on, with its message in ``errors``; the others go on. Shards that were
    committed stay in the store, however the sweep ends.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        *,
        store: Store,
        prepare: Callable[[str, Model, Workload], Runner],
        claims: ShardClaims,
        progress: Progress,
        settings: SweepSettings,
        calls: UserCalls | None = None,
    ) -> None:
        self.errors: dict[Cell, str] = {}
        self._jobs = jobs
        self._selection = selection
        self._store = store
        self._claims = claims
        self._progress = progress
        self._settings = settings
        self._calls = calls or UserCalls(progress.note)
        self._models = PreparedModels(prepare, settings.precision, jobs, len(selection.indices), self._calls)
        self._batch_size = 0

    def run(self) -> None:
        """Compute what is missing, together with other processes that work on the same store.

        Raises
        ------
        BadImageError
            For a file that is no readable image, unless the settings say to skip it.
        StoreError
            When a finished shard cannot be committed.
        """
        missing, lacking = self._missing()
        if not missing:
            return
        self._batch_size = _batch_size(lacking, len(self._selection.indices), self._settings)
        self._progress.start(sum(shard.stop - shard.start for shard in missing), len(self._jobs))
        try:
            with cores_shared(self._settings.processes), fp32_products(tf32=self._settings.precision == "tf32"):
                while missing:
                    if not self._pass(missing, lacking):
                        self._claims.wait()
                    missing, lacking = self._missing()
        finally:
            self._claims.close()
            self._progress.stop()

    def _missing(self) -> tuple[list[Shard], list[Job]]:
        """Return the shards that some job lacks, and the jobs that lack some shard."""
        jobs = self._without_errors(self._jobs)
        finished = self._store.finished(job.key for job in jobs)
        every = _shards(len(self._selection.indices), self._settings.shard_size)
        lacking = [job for job in jobs if not finished[job.key].issuperset(every)]
        return [shard for shard in every if any(shard not in finished[job.key] for job in lacking)], lacking

    def _without_errors(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if job.cell not in self.errors]

    def _pass(self, missing: Sequence[Shard], lacking: Sequence[Job]) -> int:
        """Compute those of ``missing`` that can be claimed, for the jobs ``lacking``; return how many there were."""
        loaded = batches(
            self._selection.source,
            self._selection.indices,
            self._claim(missing, lacking),
            sorted({job.loaded.model.preprocess.canvas for job in lacking}, key=str),
            batch_size=self._batch_size,
            workers=self._settings.workers,
        )
        done, scores = 0, None
        with contextlib.closing(loaded), torch.inference_mode():
            for batch in loaded:
                scores = scores or ShardScores(batch.shard, self._lacking(batch.shard, lacking))
                self._report_unreadable(batch)
                self._leave_out_misfits(batch)
                self._score(batch, scores)
                self._progress.advance(len(batch.positions) + len(batch.unreadable))
                if batch.last:
                    self._commit(scores)
                    done, scores = done + 1, None
        return done

    def _claim(self, shards: Sequence[Shard], jobs: Sequence[Job]) -> Iterator[Shard]:
        for shard in self._claims.claim(shards):
            # Another process may have finished the shard since the store was read.
            if self._lacking(shard, jobs):
                yield shard
            else:
                self._claims.release(shard)

    def _lacking(self, shard: Shard, jobs: Sequence[Job]) -> list[Job]:
        """Return those of ``jobs`` that lack ``shard``. While it is claimed, no other process changes that."""
        jobs = self._without_errors(jobs)
        finished = self._store.holders((job.key for job in jobs), shard)
        return [job for job in jobs if job.key not in finished]

    def _report_unreadable(self, batch: Batch) -> None:
        for error in batch.unreadable:
            if self._settings.on_bad_image == "error":
                raise DataError(
                    f"{error}. Remove or replace it, or pass --robustness-on-bad-image=skip to leave such images out."
                ) from error
            self._progress.note(f"skipped: {error}")

    def _leave_out_misfits(self, batch: Batch) -> None:
        """Leave out the models that do not resize images, once images of different sizes were read."""
        if not batch.misfit:
            return
        for job in self._without_errors(self._jobs):
            if job.loaded.model.preprocess.canvas not in batch.canvases:
                self.errors[job.cell] = _misfit_text(job, batch)

    def _score(self, batch: Batch, scores: ShardScores) -> None:
        """Run the jobs of ``scores`` on ``batch``, in smaller pieces if memory does not suffice."""
        start, size = 0, len(batch.positions)
        while start < size:
            piece = slice(start, min(start + self._batch_size, size))
            scored = None
            with contextlib.suppress(BatchTooLargeError):
                scored = self._score_piece(batch, piece, scores.jobs)
            if scored is None:  # handled here, where no error is left whose frames keep the batch in memory
                self._shrink(piece.stop - piece.start)
                continue
            scores.add(batch.positions[piece], scored)
            start = piece.stop

    def _shrink(self, images: int) -> None:
        """Continue with smaller batches than the one of ``images``, which did not fit."""
        self._batch_size = -(-images // 2)  # rounded up: two batches, not three
        self._models.discard()
        self._progress.note(f"out of memory: going on with batches of {self._batch_size} images")
        free_memory(self._settings.device)

    def _score_piece(self, batch: Batch, piece: slice, jobs: Sequence[Job]) -> dict[Cell, Scores]:
        scored: dict[Cell, Scores] = {}
        device, size = self._settings.device, piece.stop - piece.start
        for canvas, by_condition in _group(self._without_errors(jobs)).items():
            on_canvas = [job for groups in by_condition.values() for group in groups.values() for job in group]
            with self._guard(f"copying images to {device}", on_canvas, size):
                images = to_device(batch.canvases[canvas][piece], device)
                for condition, by_preprocess in by_condition.items():
                    under_condition = [job for group in by_preprocess.values() for job in group]
                    with self._guard(str(condition), under_condition, size):
                        with self._calls.call(f"the transform {condition}", error=TransformError, batch=True):
                            transformed = _transform(
                                under_condition[0],
                                images,
                                self._selection.identities[batch.positions[piece]],
                                self._settings.seed,
                            )
                        for preprocess, group in by_preprocess.items():
                            scored |= self._run(group, to_inputs(transformed, preprocess), batch, piece)
        return scored

    def _run(self, jobs: Sequence[Job], inputs: torch.Tensor, batch: Batch, piece: slice) -> dict[Cell, Scores]:
        scored: dict[Cell, Scores] = {}
        for job in jobs:
            if job.cell in self.errors:  # the model has just failed under another condition
                continue
            of_model = [other for other in self._jobs if other.loaded is job.loaded]
            with self._guard(job.loaded.name, of_model, len(inputs)):
                targets = to_device(torch.from_numpy(job.loaded.outputs[batch.labels[piece]]), inputs.device)
                scored[job.cell] = score(
                    self._models.run(job.loaded, inputs, self._batch_size, str(job.condition)), targets
                )
        return scored

    @contextlib.contextmanager
    def _guard(self, what: str, jobs: Sequence[Job], images: int) -> Iterator[None]:
        """Turn a failure of ``what`` into an error of ``jobs``, so that the others go on.

        Raises
        ------
        BatchTooLargeError
            When memory did not suffice for ``images`` images, of which there is more than one.
        """
        try:
            yield
        except BatchTooLargeError:
            raise
        except Exception as error:
            _log.debug("%s failed during the sweep", what, exc_info=True)
            if is_out_of_memory(error) and images > 1:
                raise BatchTooLargeError from error
            message = ErrorText(f"{what} failed during the sweep: {cause(error)}", error)
            self.errors.update({job.cell: message for job in jobs})

    def _commit(self, scores: ShardScores) -> None:
        predictions, engines = {}, {}
        for job in self._without_errors(scores.jobs):
            position = scores.first_not_finite(job.cell)
            if position is not None:
                self.errors[job.cell] = _not_finite_text(job, self._selection, position)
                continue
            predictions[job.key] = scores.predictions(job.cell)
            if not scores.empty:
                engines[job.key] = self._models.engine(job.loaded)
        self._store.put(scores.shard, predictions, engines)
        self._claims.release(scores.shard)


def _transform(job: Job, images: torch.Tensor, identities: NDArray[np.void], seed: int) -> torch.Tensor:
    return images if job.transform is None else job.transform(images, job.condition.severity, identities, seed)


def _misfit_text(job: Job, batch: Batch) -> str:
    return (
        f"{job.loaded.name} takes images as they are, and these differ in size: {batch.misfit}. Give the model "
        f"Preprocess(resize=..., crop=...)."
    )


def _not_finite_text(job: Job, selection: Selection, position: int) -> str:
    return (
        f"{job.loaded.name} under {job.condition} returned a logit that is NaN or infinite, first for "
        f"{selection.source.describe(int(selection.indices[position]))}. Its accuracy would mean nothing."
    )


def _group(jobs: Sequence[Job]) -> _Groups:
    groups: _Groups = {}
    for job in jobs:
        preprocess = job.loaded.model.preprocess
        by_condition = groups.setdefault(preprocess.canvas, {})
        by_condition.setdefault(job.condition, {}).setdefault(preprocess, []).append(job)
    return groups


def _shards(images: int, size: int) -> list[Shard]:
    return [Shard(start, min(start + size, images)) for start in range(0, images, size)]


def _batch_size(jobs: Sequence[Job], images: int, settings: SweepSettings) -> int:
    shard = min(settings.shard_size, images)  # no batch spans two shards
    if settings.batch_size:
        return min(settings.batch_size, shard)
    pixels = max((job.loaded.pixels for job in jobs), default=1)
    return equal_batches(shard, max(1, pixels_at_once(settings.device) // pixels))
