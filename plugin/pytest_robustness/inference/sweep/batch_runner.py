"""Run jobs on batches: transform each batch once per canvas and condition, and run every model on the result."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Final, Literal

import torch

from pytest_robustness.core import Canvas, Cell, Condition, Preprocess
from pytest_robustness.core.errors import ErrorText, TransformError, cause
from pytest_robustness.core.text import counted
from pytest_robustness.inference.device import equal_batches, pixels_at_once, to_device, works_ahead
from pytest_robustness.inference.jobs import Job
from pytest_robustness.inference.memory import BatchTooLargeError, free_memory, is_out_of_memory
from pytest_robustness.inference.preprocess import to_inputs
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
    from pytest_robustness.inference.sweep.unsaved import Unsaved
    from pytest_robustness.inference.user_calls.calls import UserCalls

_log = logging.getLogger(__name__)

# Images in a shard, where settings name no other number.
SHARD_SIZE = 512
# A batch that one model works on for longer is too large: what is not committed yet would be lost with it.
_LONGEST_SECONDS: Final = 10.0

# Jobs grouped by what they share, which is computed once at each level.
_Groups = dict[Canvas, dict[Condition, dict[Preprocess, list[Job]]]]


@dataclasses.dataclass(frozen=True)
class SweepSettings:
    """How to compute, as opposed to what: of these only ``precision`` and ``seed`` change a result.

    ``processes`` is how many processes share the machine's cores. ``workers_asked`` says that somebody chose
    ``workers``: where there can be none, that is an error.
    """

    device: torch.device
    precision: str
    seed: int
    workers: int
    on_bad_image: Literal["error", "skip"]
    batch_size: int | None = None
    processes: int = 1
    workers_asked: bool = True
    shard_size: int = dataclasses.field(default_factory=lambda: SHARD_SIZE)


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
        self._leave_out_misfits(batch)
        self._score(batch)

    def _leave_out_misfits(self, batch: Batch) -> None:
        """Leave out the models that do not resize images, once images of different sizes were read."""
        if not batch.misfit:
            return
        for job in self.without_errors(self._jobs):
            if job.loaded.model.preprocess.canvas not in batch.canvases:
                self.errors[job.cell] = _misfit_text(job, batch)

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
        for canvas, by_condition in _group(self.without_errors(batch.portion.jobs)).items():
            on_canvas = [job for groups in by_condition.values() for group in groups.values() for job in group]
            with self._guard(f"copying images to {device}", on_canvas, size):
                images = to_device(batch.canvases[canvas][piece], device)
                for condition, by_preprocess in by_condition.items():
                    under_condition = [job for group in by_preprocess.values() for job in group]
                    with self._guard(str(condition), under_condition, size):
                        self._score_under(by_preprocess, images, positions)

    def _score_under(
        self, by_preprocess: dict[Preprocess, list[Job]], images: torch.Tensor, positions: NDArray[np.int64]
    ) -> None:
        """Score the jobs under one condition: each image by the worst of the answers to the transform's variants."""
        variants = next(iter(by_preprocess.values()))[0].variants
        worst: dict[Job, Scores] = {}
        for number, variant in enumerate(variants, 1):
            for job, scores in self._scores(variant, by_preprocess, images, positions):
                worst[job] = worse(worst[job], scores) if job in worst else scores
                if number == len(variants):
                    self._unsaved.add(job, positions, worst.pop(job))
                    if self._unsaved.due:
                        self.commit()
                    elif self._unsaved.ready:
                        self.errors |= self._unsaved.commit_sealed(0)

    def _scores(
        self,
        variant: Transform | None,
        by_preprocess: dict[Preprocess, list[Job]],
        images: torch.Tensor,
        positions: NDArray[np.int64],
    ) -> Iterator[tuple[Job, Scores]]:
        """Yield each job, unless it fails, with its scores on the images under one variant of its transform."""
        condition = next(iter(by_preprocess.values()))[0].condition
        identities = self._selection.identities[positions]
        with self._calls.call(f"the transform {condition}", error=TransformError, batch=True):
            images = _transformed(images, variant, condition, identities, self._settings.seed)
        for preprocess, group in by_preprocess.items():
            inputs = to_inputs(images, preprocess)
            for job in group:
                if job.cell in self.errors:  # the model has just failed under another condition
                    continue
                scores = self._run(job, inputs, positions)
                if scores is not None:
                    yield job, scores

    def _run(self, job: Job, inputs: torch.Tensor, positions: NDArray[np.int64]) -> Scores | None:
        """Return the scores of one job; ``None`` where it fails."""
        of_model = [other for other in self._jobs if other.loaded is job.loaded]
        with self._guard(job.loaded.name, of_model, len(inputs)):
            labels = self._selection.labels[positions]
            targets = to_device(torch.from_numpy(job.loaded.targets(labels)), inputs.device)
            started, ready = time.monotonic(), self._models.ready(job.loaded)
            logits = self._models.run(job.loaded, inputs, self.batch_size, str(job.condition))
            scores = score_among(logits, targets, job.loaded.mask)
            if ready and len(inputs) > 1 and time.monotonic() - started > _LONGEST_SECONDS:
                self._too_long = max(self._too_long, len(inputs))
            return scores
        return None

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

    def finish(self, committed: Callable[[], None]) -> None:
        """Commit what has been computed, then call ``committed``; a device that works ahead is not waited for.

        There it is committed while the next batches are computed, and before one more shard is finished.
        """
        self._drop_failed()
        self._unsaved.seal(committed)
        self.errors |= self._unsaved.commit_sealed(1 if works_ahead(self._settings.device) else 0)

    def commit(self) -> None:
        """Commit everything that has been computed."""
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


def _misfit_text(job: Job, batch: Batch) -> str:
    return (
        f"{job.loaded.name} takes images as they are, and these differ in size: {batch.misfit}. Give the model "
        f"Preprocess(resize=..., crop=...)."
    )


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
