"""Run jobs on batches: transform each batch once per canvas and condition, and run every model on the result."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from pytest_robustness.core import Canvas, Cell, Condition, Preprocess
from pytest_robustness.core.errors import TransformError
from pytest_robustness.core.text import counted
from pytest_robustness.inference.device import equal_batches, pixels_at_once, to_device, works_ahead
from pytest_robustness.inference.jobs import Job
from pytest_robustness.inference.memory import BatchTooLargeError, free_memory
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.sweep.failures import failures_of
from pytest_robustness.inference.sweep.scoring import score_among, worse
from pytest_robustness.transforms.cpu.choice import CHOICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Selection, Transform
    from pytest_robustness.inference.loader.loader import Batch
    from pytest_robustness.inference.sweep.prepared_models import PreparedModels
    from pytest_robustness.inference.sweep.scoring import Scores
    from pytest_robustness.inference.sweep.settings import SweepSettings
    from pytest_robustness.inference.sweep.unsaved import Unsaved
    from pytest_robustness.inference.user_calls.calls import UserCalls

_log = logging.getLogger(__name__)

# A batch that one model works on for longer is too large: what is not committed yet would be lost with it.
_LONGEST_SECONDS: Final = 10.0

# Jobs grouped by what they share, which is computed once at each level.
_Groups = dict[Canvas, dict[Condition, dict[Preprocess, list[Job]]]]


class _Begun(NamedTuple):
    """A batch that a model was given: what waits for its scores, and what keeps them."""

    job: Job
    scores: Callable[[], Scores | None]
    keep: Callable[[Job, Scores], None]


class BatchRunner:
    """Runs jobs on batches, in smaller pieces where memory or time does not suffice.

    A job that fails is left out from then on, with its message in ``errors``; the others go on.

    Parameters
    ----------
    jobs
        All jobs of the sweep.
    selection
        The images of the run.
    models
        Runs the models.
    unsaved
        Collects the scores.
    settings
        How to compute.
    calls
        Calls transforms; its note receives a sentence when batches get smaller.
    errors
        Receives the message of each job that fails.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        models: PreparedModels,
        unsaved: Unsaved,
        settings: SweepSettings,
        calls: UserCalls,
        errors: dict[Cell, str],
    ) -> None:
        self.errors = errors
        self.batch_size = 1
        self._jobs = jobs
        self._selection = selection
        self._models = models
        self._unsaved = unsaved
        self._settings = settings
        self._calls = calls
        self._too_long = 0
        self._begun: _Begun | None = None
        self._answered = 0.0

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Choose the size of batches that suits ``jobs``, and kernels if these transform enough to pay for them."""
        images = len(self._selection.indices)
        self.batch_size = _batch_size(jobs, images, self._settings)
        CHOICE.expect(images * _changed_pixels(jobs))

    def without_errors(self, jobs: Sequence[Job]) -> list[Job]:
        """Return those of ``jobs`` that have not failed."""
        return [job for job in jobs if job.cell not in self.errors]

    def run(self, batch: Batch) -> None:
        """Run the jobs that lack the images of ``batch`` on them."""
        self.errors |= _misfits(self.without_errors(self._jobs), batch)
        self._score(batch)

    def _score(self, batch: Batch) -> None:
        """Run the jobs that lack the images of ``batch`` on them, in smaller pieces if memory does not suffice."""
        start, size = 0, len(batch.positions)
        while start < size:
            piece = slice(start, min(start + self.batch_size, size))
            fitted = False
            with contextlib.suppress(BatchTooLargeError):
                self._score_piece(batch, piece)
                fitted = True
            if not fitted:  # handled here, where no error is left whose frames keep the batch in memory
                self._shrink(piece.stop - piece.start, "out of memory")
                continue
            if self._too_long:
                self._shrink(self._too_long, "a batch takes long")
                self._too_long = 0
            start = piece.stop

    def _shrink(self, images: int, reason: str) -> None:
        """Continue with smaller batches than the one of ``images``."""
        self.batch_size = -(-images // 2)  # rounded up: two batches, not three
        self._models.discard()
        self._calls.note(f"{reason}: going on with batches of {counted(self.batch_size, 'image')}")
        free_memory(self._settings.device)

    def _score_piece(self, batch: Batch, piece: slice) -> None:
        device, positions = self._settings.device, batch.positions[piece]
        size = len(positions)
        self._begun = None  # what was begun of a piece that was too large is computed again
        for canvas, by_condition in _group(self.without_errors(batch.portion.jobs)).items():
            on_canvas = [job for groups in by_condition.values() for group in groups.values() for job in group]
            with failures_of(on_canvas, f"copying images to {device}", size, self.errors):
                images = to_device(batch.canvases[canvas][piece], device)
                for condition, by_preprocess in by_condition.items():
                    under_condition = [job for group in by_preprocess.values() for job in group]
                    with failures_of(under_condition, str(condition), size, self.errors):
                        self._score_under(by_preprocess, images, positions)
        self._end()

    def _score_under(
        self, by_preprocess: dict[Preprocess, list[Job]], images: torch.Tensor, positions: NDArray[np.int64]
    ) -> None:
        """Score the jobs under one condition: each image by the worst of the answers to the transform's variants."""
        variants = next(iter(by_preprocess.values()))[0].variants
        worst: dict[Job, Scores] = {}
        for number, variant in enumerate(variants, 1):
            keep = functools.partial(self._keep, worst, positions, last=number == len(variants))
            for job, inputs in self._inputs(variant, by_preprocess, images, positions):
                # An engine that works ahead computes the batch before while this one is made, and goes on with it.
                begun = _Begun(job, self._begin(job, inputs, positions), keep)
                self._end()
                self._begun = begun
                if not self._models.works_ahead(job.loaded):
                    self._end()

    def _keep(
        self, worst: dict[Job, Scores], positions: NDArray[np.int64], job: Job, scores: Scores, *, last: bool
    ) -> None:
        worst[job] = worse(worst[job], scores) if job in worst else scores
        if last:
            self._unsaved.add(job, positions, worst.pop(job))
            if self._unsaved.due:
                self.commit()
            elif self._unsaved.ready:
                self.errors |= self._unsaved.commit_sealed(0)

    def _inputs(
        self,
        variant: Transform | None,
        by_preprocess: dict[Preprocess, list[Job]],
        images: torch.Tensor,
        positions: NDArray[np.int64],
    ) -> Iterator[tuple[Job, torch.Tensor]]:
        """Yield each job that has not failed, with the inputs of its model under one variant of its transform."""
        condition = next(iter(by_preprocess.values()))[0].condition
        identities = self._selection.identities[positions]
        with self._calls.call(f"the transform {condition}", error=TransformError, batch=True):
            images = _transformed(images, variant, condition, identities, self._settings.seed)
        for preprocess, group in by_preprocess.items():
            inputs = to_inputs(images, preprocess)
            for job in group:
                if job.cell in self.errors:  # the model has just failed under another condition
                    continue
                yield job, inputs

    def _begin(self, job: Job, inputs: torch.Tensor, positions: NDArray[np.int64]) -> Callable[[], Scores | None]:
        """Begin a batch of one job; return what returns its scores, ``None`` where it fails."""
        of_model = [other for other in self._jobs if other.loaded is job.loaded]
        started, ready, size = time.monotonic(), self._models.ready(job.loaded), len(inputs)

        def scores() -> Scores | None:
            with failures_of(of_model, job.loaded.name, size, self.errors):
                targets = to_device(torch.from_numpy(job.loaded.targets(labels)), inputs.device)
                found = score_among(logits(), targets, job.loaded.mask)
                # One that was begun ahead had to wait for the one before.
                began, self._answered = max(started, self._answered), time.monotonic()
                if ready and size > 1 and self._answered - began > _LONGEST_SECONDS:
                    self._too_long = max(self._too_long, size)
                return found
            return None

        with failures_of(of_model, job.loaded.name, size, self.errors):
            labels = self._selection.labels[positions]
            logits = self._models.begin(job.loaded, inputs, self.batch_size, str(job.condition))
            return scores
        return lambda: None

    def _end(self) -> None:
        """Wait for the batch that was begun last, and keep its scores."""
        begun, self._begun = self._begun, None
        if begun is not None and (scores := begun.scores()) is not None:
            begun.keep(begun.job, scores)

    def finish(self, committed: Callable[[], None]) -> None:
        """Commit what has been computed, then call ``committed``; a device that works ahead is not waited for.

        There it is committed while the next batches are computed, and before one more shard is finished.
        """
        self._drop_failed()
        self._unsaved.seal(committed)
        self.errors |= self._unsaved.commit_sealed(1 if works_ahead(self._settings.device) else 0)

    def commit(self) -> None:
        """Commit everything that has been computed."""
        with contextlib.suppress(BatchTooLargeError):
            self._end()
        self._drop_failed()
        self.errors |= self._unsaved.commit()

    def _drop_failed(self) -> None:
        for job in self._jobs:
            if job.cell in self.errors:
                self._unsaved.drop(job)


def _transformed(
    images: torch.Tensor, transform: Transform | None, condition: Condition, identities: NDArray[np.void], seed: int
) -> torch.Tensor:
    return images if transform is None else transform(images, condition.severity, identities, seed)


def _misfits(jobs: Sequence[Job], batch: Batch) -> dict[Cell, str]:
    """Return why models that do not resize images are left out, once images of different sizes were read."""
    misfits = [job for job in jobs if batch.misfit and job.loaded.model.preprocess.canvas not in batch.canvases]
    return {
        job.cell: f"{job.loaded.name} takes images as they are, and these differ in size: {batch.misfit}. Give the "
        f"model Preprocess(resize=..., crop=...)."
        for job in misfits
    }


def _group(jobs: Sequence[Job]) -> _Groups:
    groups: _Groups = {}
    for job in jobs:
        preprocess = job.loaded.model.preprocess
        by_condition = groups.setdefault(preprocess.canvas, {})
        by_condition.setdefault(job.condition, {}).setdefault(preprocess, []).append(job)
    return groups


def _changed_pixels(jobs: Sequence[Job]) -> int:
    """Return how many pixels of each image are transformed for ``jobs``; those of one canvas and condition, once."""
    canvases = {(job.loaded.model.preprocess.canvas, job.condition): job for job in jobs}
    return sum(job.loaded.pixels * len(job.variants) for job in canvases.values())


def _batch_size(jobs: Sequence[Job], images: int, settings: SweepSettings) -> int:
    shard = min(settings.shard_size, images)  # no batch spans two shards
    if settings.batch_size:
        return min(settings.batch_size, shard)
    pixels = max((job.loaded.pixels for job in jobs), default=1)
    return equal_batches(shard, max(1, pixels_at_once(settings.device) // pixels))
