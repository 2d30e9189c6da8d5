"""Check stored answers on a few images, because no list of what may influence an answer is ever complete."""

from __future__ import annotations

import functools
import logging
import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from pytest_robustness.core import CONTROL
from pytest_robustness.core.errors import DataError, TransformError, cause
from pytest_robustness.data.identity import read_as
from pytest_robustness.inference.device import to_device
from pytest_robustness.inference.memory import free_memory, is_out_of_memory
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.inference.runtimes.eager import plain_runner, run_unchanged
from pytest_robustness.inference.sweep.scoring import joined, score_among, worse
from pytest_robustness.inference.sweep.stale import Stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Predictions, Runner, Selection, Transform
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loading.loaded_model import LoadedModel
    from pytest_robustness.inference.store.cells import StoredCells
    from pytest_robustness.inference.store.store import StoredResult
    from pytest_robustness.inference.sweep.scoring import Scores
    from pytest_robustness.inference.user_calls.calls import UserCalls

_log = logging.getLogger(__name__)

IMAGES: Final = 16
# For all models of a run together. Models too large for that are checked on fewer images, at least one a condition.
_SECONDS: Final = 1.0
# How far probabilities may differ by rounding alone: another runtime or device, and half floats in the store.
_ROUNDING: Final = {"fp32": 0.005, "tf32": 0.02, "fp16": 0.05, "bf16": 0.1}
# A difference as many times the rounding is none of rounding, on however few images.
_FAR: Final = 10


class Canary:
    """Runs models on a few images of a run, chosen by their hashes, and compares the answers with the stored ones.

    Parameters
    ----------
    selection
        The images of the run.
    cells
        Reads what is stored of them.
    read
        Returns what is stored of a cell.
    device, seed
        Of the run.
    calls
        Calls models and transforms.
    """

    def __init__(
        self,
        selection: Selection,
        cells: StoredCells,
        read: Callable[[str], Sequence[StoredResult]],
        *,
        device: torch.device,
        seed: int,
        calls: UserCalls,
    ) -> None:
        self._selection = selection
        self._cells = cells
        self._read = read
        self._device = device
        self._seed = seed
        self._calls = calls
        self._runners: dict[LoadedModel, Runner] = {}
        self._order = np.argsort(selection.identities, kind="stable")

    def stale(self, jobs: Sequence[Job], readable: NDArray[np.bool_]) -> list[Stale]:
        """Return those of ``jobs`` whose stored answers no longer hold, and those of which that cannot be found out.

        What was computed by a published model under a built-in transform is taken as it is: their keys hold all that
        their answers depend on. Where control no longer holds, nothing of its model does; where a condition does not,
        though control does, nothing under that condition does. What cannot be checked counts for itself alone: when it
        is computed again, the sweep says why it cannot be.

        Parameters
        ----------
        jobs
            Those of the run.
        readable
            The images that can be read now: bool [N].

        Raises
        ------
        DataError
            None of the images of a check can be read any more.
        """
        for job in jobs:
            self._cells.update(job.key, job.outputs)
        held = {job: self._cells.present(job.key, job.outputs) & readable for job in jobs}
        checked = [job for job in jobs if not job.published and held[job].any()]
        found: dict[Job, Stale] = {}
        models = list(dict.fromkeys(job.loaded for job in checked))
        for loaded in models:
            of_model = [job for job in checked if job.loaded is loaded]
            found |= {stale.job: stale for stale in self._of_model(of_model, held, _SECONDS / len(models))}
        shown = {job: stale.text for job, stale in found.items() if stale.checked}
        implied = {job: Stale(job, shown[job]) for job in _implied(shown, jobs, held)}
        return list({**found, **implied}.values())

    def _of_model(self, jobs: Sequence[Job], held: dict[Job, NDArray[np.bool_]], seconds: float) -> Iterator[Stale]:
        started = time.monotonic()
        most, done, left = IMAGES, 0, sum(len(job.variants) for job in jobs)
        for job in sorted(jobs, key=lambda job: (job.condition != CONTROL, len(job.variants))):
            positions = self._order[held[job][self._order]][:most]
            positions, canvases = self._canvases(positions, job.loaded)
            try:
                text = self._compare(job, positions, canvases)
            except Exception as error:  # the models and transforms of users may raise anything
                _log.debug("stored answers of %s cannot be checked", job.cell, exc_info=True)
                yield Stale(job, cause(error), checked=False)
            else:
                if text:
                    yield Stale(job, text)
            done += len(job.variants) * len(positions)
            left -= len(job.variants)
            # What is left of the time, shared among the conditions that are left, by how often each runs the model.
            spent = time.monotonic() - started
            if left:
                a_image = spent / max(1, done)
                most = int(np.clip((seconds - spent) / left / max(a_image, 1e-9), 1, IMAGES))

    def _canvases(
        self, positions: NDArray[np.int64], loaded: LoadedModel
    ) -> tuple[NDArray[np.int64], list[torch.Tensor]]:
        """Return those of ``positions`` whose images can still be read, and these: one that went proves nothing."""
        canvases: dict[int, torch.Tensor] = {}
        lost: DataError | None = None
        for position in positions.tolist():
            try:
                canvases[position] = self._canvas(position, loaded)
            except DataError as error:
                _log.debug("an image of the check cannot be read", exc_info=True)
                lost = lost or error
        if lost is not None and not canvases:
            raise lost
        return np.array([*canvases], np.int64), [*canvases.values()]

    def _compare(self, job: Job, positions: NDArray[np.int64], canvases: Sequence[torch.Tensor]) -> str:
        """Return how the answers to these images differ from the stored ones; empty where they do not."""
        stored = self._cells.merged(self._read(job.key), job.outputs)
        fresh = self._answers(job, positions, canvases)
        return difference(stored.at(positions), fresh, job.precision)

    def _answers(self, job: Job, positions: NDArray[np.int64], canvases: Sequence[torch.Tensor]) -> Predictions:
        one_by_one = [slice(i, i + 1) for i in range(len(positions))]
        # Where a model does not resize, images may differ in size: then each is a batch of its own.
        if len({canvas.shape for canvas in canvases}) == 1:
            try:
                return self._answers_to(job, positions, canvases, [slice(None)])
            except Exception as error:  # of models and transforms of users
                if not is_out_of_memory(error):
                    raise
                _log.debug("the check of %s needs smaller batches", job.cell, exc_info=True)
            free_memory(self._device)
        return self._answers_to(job, positions, canvases, one_by_one)

    def _answers_to(
        self, job: Job, positions: NDArray[np.int64], canvases: Sequence[torch.Tensor], parts: Sequence[slice]
    ) -> Predictions:
        selection = self._selection
        targets = torch.from_numpy(job.loaded.targets(selection.labels[positions])).to(self._device)
        scored = []
        for part in parts:
            images = to_device(torch.stack(tuple(canvases[part])), self._device)
            identities = selection.identities[positions[part]]
            variants = (self._scores(job, variant, images, identities, targets[part]) for variant in job.variants)
            scored.append(functools.reduce(worse, variants))
        return joined(scored)[0]

    def _scores(
        self,
        job: Job,
        variant: Transform | None,
        images: torch.Tensor,
        identities: NDArray[np.void],
        targets: torch.Tensor,
    ) -> Scores:
        if variant is not None:
            with self._calls.call(f"the transform {job.condition}", error=TransformError, batch=True):
                images = variant(images, job.condition.severity, identities, self._seed)
        with torch.inference_mode(), self._calls.call(job.loaded.name, f"under {job.condition}", batch=True):
            logits = self._run(job, to_inputs(images, job.loaded.model.preprocess))
            return score_among(logits, targets, job.loaded.mask)

    def _run(self, job: Job, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits without any optimization: trying and compiling them would take longer than all the rest."""
        if job.loaded not in self._runners:
            prepare = run_unchanged if job.loaded.model.runtime else plain_runner
            self._runners = {job.loaded: prepare(job.loaded.model, inputs.device)}
        return self._runners[job.loaded].run(inputs)

    def _canvas(self, position: int, loaded: LoadedModel) -> torch.Tensor:
        selection = self._selection
        image = read_as(selection.source, int(selection.indices[position]), selection.identities[position].tobytes())
        return to_canvas(image, loaded.model.preprocess.canvas)


def difference(before: Predictions, now: Predictions, precision: str) -> str:
    """Return how two sets of predictions of the same images differ beyond rounding; empty where they do not."""
    tolerance = _ROUNDING[precision]
    # An image without a label has no true class, and its probability is NaN.
    distance = np.fmax(
        np.abs(before.confidence - now.confidence), np.abs(before.true_probability - now.true_probability)
    )
    # Where the two best outputs are as close as rounding, either may be the answer.
    other = (before.predicted != now.predicted) & (before.confidence - before.runner_up > 2 * tolerance)
    beyond = other | (distance > tolerance)
    if beyond.sum() <= len(beyond) // 8 and not other.any() and distance.max(initial=0) <= _FAR * tolerance:
        return ""
    changed = int((before.predicted != now.predicted).sum())
    return (
        f"{changed:,} of {len(beyond):,} answers are others now, and probabilities differ by up to {distance.max():.2g}"
    )


def _implied(found: dict[Job, str], jobs: Sequence[Job], held: dict[Job, NDArray[np.bool_]]) -> Iterator[Job]:
    """Yield the jobs that ``found`` shows stale, and those that what was found casts doubt on, with the same text."""
    models = {job.loaded: text for job, text in found.items() if job.condition == CONTROL}
    conditions = {job.condition: text for job, text in found.items() if job.loaded not in models}
    for job in jobs:
        text = models.get(job.loaded) or (conditions.get(job.condition) if job.loaded not in models else None)
        if text and held[job].any():
            found.setdefault(job, text)
            yield job
