"""The sweep: each image is decoded once, each condition applied once per canvas, and each model sees the result."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from pytest_robustness.core import (
    Canvas,
    Cell,
    Condition,
    EngineUsed,
    Preprocess,
    Progress,
    Runner,
    Selection,
    Shard,
    Workload,
)
from pytest_robustness.errors import DataError, ErrorText, cause
from pytest_robustness.inference.device import cores_shared, equal_batches, pixels_at_once, to_device
from pytest_robustness.inference.jobs import Job
from pytest_robustness.inference.loader import Batch, batches
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.scoring import Tally, collect, first_not_finite, tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_robustness.core import Model
    from pytest_robustness.inference.claims import ShardClaims
    from pytest_robustness.inference.store import Store

SHARD_SIZE = 512
_log = logging.getLogger(__name__)

# What says that memory is full where there is no class for it: the CPU's allocator, cuBLAS, cuDNN and CUDA itself, ONNX
# Runtime, C++ in general.
_FULL = (
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "out of memory",
    "Failed to allocate memory",
    "std::bad_alloc",
)

# The jobs of a shard as the sweep visits them: what is shared is computed at the level where it is shared.
_Visits = dict[Canvas, dict[Condition, dict[Preprocess, list[Job]]]]


@dataclasses.dataclass(frozen=True)
class Settings:
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
    shard_size: int = SHARD_SIZE


class Sweep:
    """Fills the store with every cell of ``jobs``; what is there already is not computed again.

    A job that fails is left out from then on, with its message in ``errors``; the others go on. Whatever ends the
    sweep, an interrupt too, the shards that were committed stay.
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
        settings: Settings,
    ) -> None:
        self.errors: dict[Cell, str] = {}
        self._jobs = jobs
        self._selection = selection
        self._store = store
        self._prepare = prepare
        self._claims = claims
        self._progress = progress
        self._settings = settings
        self._runners: dict[str, Runner] = {}
        self._engines: dict[str, EngineUsed] = {}
        self._batch_size = 0
        self._wanted: dict[Shard, list[Job]] = {}

    def run(self) -> None:
        """Compute what is missing, together with whoever else works on the same store.

        Raises
        ------
        BadImageError
            On a file that is no readable image, unless the settings say to skip it.
        StoreError
            When a finished shard cannot be committed.
        """
        missing, lacking = self._left()
        if not missing:
            return
        self._batch_size = _batch_size(lacking, len(self._selection.indices), self._settings)
        self._progress.start(sum(shard.stop - shard.start for shard in missing), len(self._jobs))
        try:
            with cores_shared(self._settings.processes), fp32_products(tf32=self._settings.precision == "tf32"):
                while missing:
                    if not self._pass(missing, lacking):
                        self._claims.wait()
                    missing, lacking = self._left()
        finally:
            self._claims.close()
            self._progress.stop()

    def _left(self) -> tuple[list[Shard], list[Job]]:
        """Return the shards that some job lacks, and the jobs that lack some shard."""
        jobs = self._open(self._jobs)
        finished = self._store.finished(job.key for job in jobs)
        every = _shards(len(self._selection.indices), self._settings.shard_size)
        lacking = [job for job in jobs if not finished[job.key].issuperset(every)]
        return [shard for shard in every if any(shard not in finished[job.key] for job in lacking)], lacking

    def _open(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if job.cell not in self.errors]

    def _pass(self, missing: Sequence[Shard], lacking: Sequence[Job]) -> int:
        """Compute what can be claimed of ``missing`` for the jobs ``lacking`` and return how many shards that was."""
        canvases = sorted({job.loaded.model.preprocess.canvas for job in lacking}, key=str)
        loaded = batches(
            self._selection.source,
            self._selection.indices,
            self._claim(missing, lacking),
            canvases,
            batch_size=self._batch_size,
            workers=self._settings.workers,
        )
        done = 0
        parts = _Parts()
        with contextlib.closing(loaded), torch.inference_mode():
            for batch in loaded:
                self._complain(batch)
                self._leave_out_misfits(batch)
                self._score(batch, parts)
                self._progress.advance(len(batch.positions) + len(batch.unreadable))
                if batch.last:
                    self._commit(batch.shard, parts)
                    parts = _Parts()
                    done += 1
        return done

    def _claim(self, missing: Sequence[Shard], lacking: Sequence[Job]) -> Iterator[Shard]:
        for shard in self._claims.claim(missing):
            jobs = self._open(lacking)
            # Another process may have finished the shard between our look at the store and our claim.
            finished = self._store.holders((job.key for job in jobs), shard)
            wanted = [job for job in jobs if job.key not in finished]
            if not wanted:
                self._claims.release(shard)
                continue
            self._wanted[shard] = wanted
            yield shard

    def _complain(self, batch: Batch) -> None:
        for error in batch.unreadable:
            if self._settings.on_bad_image == "error":
                raise DataError(
                    f"{error}. Remove or replace it, or pass --robustness-on-bad-image=skip to leave such images out."
                ) from error
            self._progress.note(f"skipped: {error}")

    def _leave_out_misfits(self, batch: Batch) -> None:
        """Leave out the models that take images as they are, once the images differ in size."""
        if not batch.misfit:
            return
        for job in self._open(self._jobs):
            if job.loaded.model.preprocess.canvas not in batch.canvases:
                self.errors[job.cell] = (
                    f"{job.loaded.name} takes images as they are, and these differ in size: {batch.misfit}. Give the "
                    f"model Preprocess(resize=..., crop=...)."
                )

    def _score(self, batch: Batch, parts: _Parts) -> None:
        """Run every wanted job on ``batch``, in smaller pieces where memory does not suffice."""
        start, size = 0, len(batch.positions)
        while start < size:
            piece = slice(start, min(start + self._batch_size, size))
            tallies = None
            with contextlib.suppress(_OutOfMemoryError):
                tallies = self._score_piece(batch, piece)
            if tallies is None:  # out here nothing holds on to the error, whose frames hold what filled the memory
                self._shrink(piece.stop - piece.start)
                continue
            for cell, part in tallies.items():
                parts.tallies[cell].append(part)
            parts.rows.append(batch.positions[piece] - batch.shard.start)
            start = piece.stop

    def _shrink(self, images: int) -> None:
        """Go on in smaller batches than the one of ``images``, which did not fit."""
        self._batch_size = -(-images // 2)  # rounded up: two batches, not three
        self._runners.clear()  # some are made for one batch size
        self._progress.note(f"out of memory: going on with batches of {self._batch_size} images")
        _free_memory(self._settings.device)

    def _score_piece(self, batch: Batch, piece: slice) -> dict[Cell, Tally]:
        tallies: dict[Cell, Tally] = {}
        device = self._settings.device
        for canvas, by_condition in _visits(self._open(self._wanted[batch.shard])).items():
            concerned = [job for groups in by_condition.values() for group in groups.values() for job in group]
            with self._guard(f"copying images to {device}", piece, concerned):
                images = to_device(batch.canvases[canvas][piece], device)
                for condition, by_preprocess in by_condition.items():
                    jobs = [job for group in by_preprocess.values() for job in group]
                    with self._guard(str(condition), piece, jobs):
                        treated = self._transform(jobs[0], images, batch, piece)
                        for preprocess, group in by_preprocess.items():
                            tallies |= self._answers(group, to_inputs(treated, preprocess), batch, piece)
        return tallies

    def _answers(self, jobs: Sequence[Job], inputs: torch.Tensor, batch: Batch, piece: slice) -> dict[Cell, Tally]:
        tallies: dict[Cell, Tally] = {}
        for job in jobs:
            # A model that just failed under another condition is not tried again.
            if job.cell in self.errors:
                continue
            with self._guard(job.loaded.name, piece):
                targets = to_device(torch.from_numpy(job.loaded.outputs[batch.labels[piece]]), inputs.device)
                tallies[job.cell] = tally(self._runner(job, inputs).run(inputs), targets)
        return tallies

    def _transform(self, job: Job, images: torch.Tensor, batch: Batch, piece: slice) -> torch.Tensor:
        if job.transform is None:
            return images
        return job.transform(images, job.condition.severity, batch.indices[piece], self._settings.seed)

    def _runner(self, job: Job, inputs: torch.Tensor) -> Runner:
        name = job.loaded.name
        if name not in self._runners:
            conditions = sum(other.loaded is job.loaded for other in self._jobs)
            # Those that are there already, or are left to others, count too: what runs the model hangs on none of it.
            passes = conditions * len(self._selection.indices)
            # The first batch may be a remainder, but what is compiled must hold a whole one.
            example = inputs[torch.arange(self._batch_size, device=inputs.device) % len(inputs)]
            workload = Workload(example, self._settings.precision, passes)
            self._runners[name] = self._prepare(name, job.loaded.model, workload)
            self._engines[name] = self._runners[name].engine
        return self._runners[name]

    @contextlib.contextmanager
    def _guard(self, what: str, piece: slice, jobs: Sequence[Job] | None = None) -> Iterator[None]:
        """Turn a failure of ``what`` into an error of ``jobs``, else of the model of that name; the others go on."""
        try:
            yield
        except _OutOfMemoryError:
            raise
        except Exception as error:
            if _is_out_of_memory(error) and piece.stop - piece.start > 1:
                raise _OutOfMemoryError from error
            _log.debug("%s failed during the sweep", what, exc_info=True)
            message = ErrorText(f"{what} failed during the sweep: {cause(error)}", error)
            concerned = [job for job in self._jobs if job.loaded.name == what] if jobs is None else jobs
            self.errors.update({job.cell: message for job in concerned})

    def _commit(self, shard: Shard, parts: _Parts) -> None:
        rows = np.concatenate([np.empty(0, np.int64), *parts.rows])
        predictions, engines = {}, {}
        for job in self._wanted[shard]:
            if job.cell in self.errors:
                continue
            tallies = parts.tallies[job.cell]
            bad = first_not_finite(tallies) if tallies else None
            if bad is None:
                predictions[job.key] = collect(tallies, rows, shard.stop - shard.start)
                if tallies:
                    engines[job.key] = self._engines[job.loaded.name]
                continue
            index = int(self._selection.indices[shard.start + rows[bad]])
            self.errors[job.cell] = (
                f"{job.loaded.name} under {job.condition} returned a logit that is NaN or infinite, first for "
                f"{self._selection.source.describe(index)}. Its accuracy would mean nothing."
            )
        self._store.put(shard, predictions, engines)
        del self._wanted[shard]
        self._claims.release(shard)


class _OutOfMemoryError(Exception):
    """A batch did not fit; a smaller one may."""


@dataclasses.dataclass
class _Parts:
    """What has been computed of the shard at hand: by cell the tallies, and the rows that they are of."""

    tallies: defaultdict[Cell, list[Tally]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    rows: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = dataclasses.field(default_factory=list)


def _visits(jobs: Sequence[Job]) -> _Visits:
    visits: _Visits = {}
    for job in jobs:
        preprocess = job.loaded.model.preprocess
        by_condition = visits.setdefault(preprocess.canvas, {})
        by_condition.setdefault(job.condition, {}).setdefault(preprocess, []).append(job)
    return visits


def _shards(images: int, size: int) -> list[Shard]:
    return [Shard(start, min(start + size, images)) for start in range(0, images, size)]


def _batch_size(jobs: Sequence[Job], images: int, settings: Settings) -> int:
    shard = min(settings.shard_size, images)  # no batch spans two
    if settings.batch_size:
        return min(settings.batch_size, shard)
    pixels = max((job.loaded.pixels for job in jobs), default=1)
    return equal_batches(shard, max(1, pixels_at_once(settings.device) // pixels))


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether ``error``, or one that led to it, is for want of memory: compilers wrap what goes wrong within."""
    if error is None:
        return False
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in str(error) for sign in _FULL):
        return True
    return _is_out_of_memory(error.__cause__ or error.__context__)


def _free_memory(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
