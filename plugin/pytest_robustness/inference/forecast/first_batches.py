"""Time the first batch of each model, as a sweep would run it; what it answers is thrown away."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from pytest_robustness.core import Shard
from pytest_robustness.core.freed_memory import freed_memory_kept
from pytest_robustness.inference.device import cores_shared, current
from pytest_robustness.inference.forecast.forecast import Group, Rate, Rates
from pytest_robustness.inference.loader.loader import Portion, batches
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.store.store import Store
from pytest_robustness.inference.sweep.batch_runner import BatchRunner
from pytest_robustness.inference.sweep.prepared_models import PreparedModels
from pytest_robustness.inference.sweep.unsaved import Unsaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, Model, Preprocess, Runner, Selection, Workload
    from pytest_robustness.core.errors import BadImageError
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loader.loader import Batch
    from pytest_robustness.inference.sweep.scoring import Scores
    from pytest_robustness.inference.sweep.settings import SweepSettings
    from pytest_robustness.inference.user_calls.calls import UserCalls

# Calls that a rate is the mean of, where they are short; of long ones fewer are enough.
_CALLS: Final = 5
_SHORT: Final = 0.5
# From so many seconds on, further conditions are timed with the quickest of the models alone.
_PATIENCE: Final = 20.0
_DECODED_BATCHES: Final = 4


class Measured(NamedTuple):
    """What was measured: the rates, what ran each model, and why jobs failed."""

    rates: Rates
    engines: dict[str, str]
    errors: dict[Cell, str]


class _Call(NamedTuple):
    images: int
    seconds: float


class _Unsaved(Unsaved):
    """Is committed where that is timed, and only there."""

    @property
    def due(self) -> bool:
        """Never."""
        return False


class _TimedRunner(BatchRunner):
    """Runs jobs as a sweep does, and notes how long each call of a model takes, scoring included."""

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        models: PreparedModels,
        unsaved: Unsaved,
        settings: SweepSettings,
        calls: UserCalls,
    ) -> None:
        super().__init__(jobs, selection, models, unsaved, settings, calls, {})
        self.took: dict[str, list[_Call]] = defaultdict(list)
        self.ran: set[Job] = set()
        self._device = settings.device

    def clock(self) -> float:
        """Return the time once the device has done what it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _begin(self, job: Job, inputs: torch.Tensor, positions: NDArray[np.int64]) -> Callable[[], Scores | None]:
        started = self.clock()
        scores = super()._begin(job, inputs, positions)()  # at once: what is made meanwhile is timed apart
        if scores is not None:
            self.took[job.loaded.name].append(_Call(len(inputs), self.clock() - started))
            self.ran.add(job)
        return lambda: scores


class FirstBatches:
    """Times jobs on the first images that they lack; ``workers`` is how many processes would decode.

    Parameters
    ----------
    jobs
        Those that lack images.
    selection
        The images of the run.
    settings
        How the sweep would compute.
    prepare
        Makes a model, with its name, ready for a workload.
    calls
        Calls models and transforms.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        settings: SweepSettings,
        prepare: Callable[[str, Model, Workload], Runner],
        calls: UserCalls,
    ) -> None:
        self._jobs = jobs
        self._selection = selection
        self._settings = settings
        self._prepare = prepare
        self._calls = calls
        self.unreadable: dict[int, BadImageError] = {}
        self.workers = settings.workers

    def measure(self, positions: NDArray[np.int64], all_jobs: Sequence[Job]) -> Measured:
        """Run every job on the images at ``positions`` (int64 [n], in the selection), as many as there is time for.

        ``all_jobs`` are those of the run, stored or not: the choice of a runtime goes by them.
        """
        settings, selection = self._settings, self._selection
        models = PreparedModels(self._prepare, settings.precision, all_jobs, len(selection.indices), self._calls)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "first.sqlite")
            unsaved = _Unsaved(store.put, selection, models.engine)
            runner = _TimedRunner(self._jobs, selection, models, unsaved, settings, self._calls)
            runner.prepare(self._jobs)
            products = fp32_products(tf32=settings.precision == "tf32")
            shared = cores_shared(settings.processes)
            try:
                with current(settings.device), shared, products, freed_memory_kept(), torch.inference_mode():
                    batch, decoding = self._decoded(positions, runner.batch_size)
                    groups = {} if batch is None else self._timed_groups(runner, batch)
                    row = _timed_commit(runner)
            finally:
                store.close()
        rates = {name: _rate(calls) for name, calls in runner.took.items()}
        engines = {job.loaded.name: str(models.engine(job.loaded)) for job in self._jobs if job.loaded.name in rates}
        return Measured(Rates(decoding, groups, rates, row), engines, runner.errors)

    def _decoded(self, positions: NDArray[np.int64], size: int) -> tuple[Batch | None, Rate]:
        """Return the first batch that has a readable image, and how long decoding takes."""
        parts = [positions[start : start + size] for start in range(0, len(positions), size)][: _DECODED_BATCHES + 1]
        if len(parts) == 1:
            parts *= 2
        first: Batch | None = None
        each: list[float] = []
        for part in parts:
            started = time.perf_counter()
            batch = next(self._loaded(part, 0))
            each.append((time.perf_counter() - started) / len(part))
            self.unreadable |= batch.unreadable
            if first is None and len(batch.positions):
                first = batch
        image = statistics.median(each[1:])  # the first time, decoders are imported
        return first, Rate(self._started(parts[0], image * len(parts[0])), image)

    def _started(self, part: NDArray[np.int64], decoding: float) -> float:
        """Return the seconds until decoding processes run, where there are any."""
        if not self._settings.workers or self._selection.source.in_memory:
            return 0.0
        started = time.perf_counter()
        refused: list[str] = []
        loaded = self._loaded(part, self._settings.workers, None if self._settings.workers_asked else refused.append)
        next(loaded)
        took = time.perf_counter() - started
        loaded.close()  # type: ignore[attr-defined]
        if refused:
            self.workers = 0
            return 0.0
        return max(0.0, took - decoding)

    def _loaded(
        self, part: NDArray[np.int64], workers: int, refused: Callable[[str], object] | None = None
    ) -> Iterator[Batch]:
        portion = Portion(Shard(0, len(self._selection.indices)), part, tuple(self._jobs), last=True)
        # Where processes decode, it is timed how long one of them takes.
        threads = 1 if self._settings.workers else None
        return batches(
            self._selection, [portion], batch_size=len(part), workers=workers, threads=threads, refused=refused
        )

    def _timed_groups(self, runner: _TimedRunner, batch: Batch) -> dict[Group, Rate]:
        for job in {job.loaded: job for job in reversed(self._jobs)}.values():
            _run(runner, batch, [job])  # preparing it may take long, and is no part of a group's time
        groups: dict[Group, list[Job]] = defaultdict(list)
        for job in self._jobs:
            groups[Group(job.loaded.model.preprocess.canvas, job.condition)].append(job)
        started, rates = runner.clock(), {}
        for group, jobs in groups.items():
            patient = runner.clock() - started < _PATIENCE
            rates[group] = _group_rate(runner, batch, jobs if patient else _quickest(runner, jobs), jobs)
        for job in {job.loaded: job for job in reversed(self._jobs)}.values():
            while job.cell not in runner.errors and _too_few(runner.took[job.loaded.name][1:]):
                _run(runner, batch, [job])
        return rates


def _group_rate(runner: _TimedRunner, batch: Batch, jobs: Sequence[Job], every: Sequence[Job]) -> Rate:
    """Return how long a group takes besides its models: the first time with ``jobs``, then with few of ``every``."""
    first = _run(runner, batch, jobs)
    few = _quickest(runner, every)
    later: list[_Call] = []
    while few and _too_few(later):
        later.append(_Call(len(batch.positions), _run(runner, batch, few)))
    image = _mean(later)
    return Rate(max(0.0, first - image * len(batch.positions)), image)


def _run(runner: _TimedRunner, batch: Batch, jobs: Sequence[Job]) -> float:
    """Run jobs on a batch; return the seconds that their models did not take."""
    before = sum(call.seconds for calls in runner.took.values() for call in calls)
    started = runner.clock()
    runner.run(batch._replace(portion=dataclasses.replace(batch.portion, jobs=tuple(jobs))))
    took = runner.clock() - started
    return max(0.0, took + before - sum(call.seconds for calls in runner.took.values() for call in calls))


def _quickest(runner: _TimedRunner, jobs: Sequence[Job]) -> list[Job]:
    """Return a job for each preprocessing, that of the quickest model: together they do what a group does but once."""
    chosen: dict[Preprocess, Job] = {}
    left = [job for job in runner.without_errors(jobs) if runner.took[job.loaded.name]]
    for job in sorted(left, key=lambda job: -_rate(runner.took[job.loaded.name]).image):
        chosen[job.loaded.model.preprocess] = job
    return [*chosen.values()]


def _too_few(calls: Sequence[_Call]) -> bool:
    """Whether a rate needs more calls: short ones are repeated, of a long one two are enough."""
    spent = sum(call.seconds for call in calls)
    return len(calls) < (2 if spent > _SHORT else _CALLS)


def _rate(calls: Sequence[_Call]) -> Rate:
    """Return what calls took once, which is the first one's surplus over the others, and for each image."""
    later = calls[1:] or calls
    image = _mean(later)
    return Rate(max(0.0, calls[0].seconds - image * calls[0].images), image)


def _mean(calls: Sequence[_Call]) -> float:
    """Return the seconds for an image, on average: where other programs get in the way, they will in the run, too."""
    images = sum(call.images for call in calls)
    return sum(call.seconds for call in calls) / images if images else 0.0


def _timed_commit(runner: _TimedRunner) -> float:
    """Return the seconds that a row of the store takes: what a cell has of a shard."""
    started = runner.clock()
    runner.commit()
    return (runner.clock() - started) / max(1, len(runner.ran))
