"""Forecast a run: count what the store lacks of it, and time the first batch of each model that lacks something."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core.cores import usable_cores
from pytest_robustness.core.process import quick_imports
from pytest_robustness.inference.computation import machine, sweep_settings
from pytest_robustness.inference.forecast.forecast import Forecast, Group, Lacking, Resources, seconds
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.store.distinct_images import DistinctImages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, Progress
    from pytest_robustness.inference.computation import Groundwork
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.inference.sweep.settings import SweepSettings
    from pytest_robustness.inference.sweep.work import Work

# As many of the images that are lacking are at hand to be timed on.
_FIRST_IMAGES = 5 * 512


class Forecaster:
    """Forecasts what a run would compute; nothing is stored, and no test is answered.

    Parameters
    ----------
    ground
        What the run has laid; its log learns the keys of the cells that are whole in the store, so that their findings
        can be asked for.
    progress
        Makes the display of a sweep, which only notes are shown on.
    """

    def __init__(self, ground: Groundwork, progress: Callable[[], Progress]) -> None:
        self._ground = ground
        self._progress = progress

    def forecast(self, cells: Sequence[Cell]) -> Forecast:
        """Return what computing ``cells`` would take.

        Raises
        ------
        RobustnessError
            As the run would: the store or an image cannot be read, say.
        """
        known = self._ground.known_answers(cells)
        if known is None:
            return self._with_models(list(cells))
        log, selection = self._ground.run_log, self._ground.bench.selection
        log.models |= known.models
        log.keys |= known.keys
        log.unreadable = known.unreadable
        distinct = DistinctImages(selection.identities, selection.labels).first
        return self._made(cells, len(np.setdiff1d(distinct, known.unreadable)), Lacking(), {})

    def _with_models(self, cells: list[Cell]) -> Forecast:
        started = time.monotonic()
        with quick_imports():
            import torch

        bench, settings, log = self._ground.bench, self._ground.settings, self._ground.run_log
        jobs, errors = bench.jobs(cells)
        loading = time.monotonic() - started
        device, _ = machine(settings, self._ground.remembered)
        work = self._work(jobs, sweep_settings(settings, bench, torch.device(device), len(jobs)))
        lacking, positions = counted(work)
        log.models |= {name: ModelFacts.of_model(loaded) for name, loaded in bench.models.items()}
        log.keys |= {job.cell: job.key for job in jobs if not lacking.predictions.get(job.cell)}
        log.unreadable = work.unreadable.positions.tolist()
        forecast = self._made(cells, work.distinct_images, lacking, errors)
        forecast = dataclasses.replace(forecast, loading=loading)
        return self._timed(forecast, work, positions) if lacking.shards else forecast

    def _timed(self, forecast: Forecast, work: Work, positions: NDArray[np.int64]) -> Forecast:
        """Return the forecast with the time that computing what is lacking would take."""
        from pytest_robustness.inference.forecast.first_batches import FirstBatches
        from pytest_robustness.inference.runtimes.choice import RuntimeChoice

        lacking = [job for job in work.jobs if forecast.lacking.predictions.get(job.cell)]
        prepare = RuntimeChoice(self._ground.settings.runtime, self._ground.calls.note).prepare
        first = FirstBatches(lacking, self._ground.bench.selection, work.settings, prepare, self._ground.calls)
        measured = first.measure(positions, work.jobs)
        if self._ground.settings.on_bad_image == "error":
            work.unreadable.add(first.unreadable)
        resources = forecast.resources._replace(workers=first.workers)
        return dataclasses.replace(
            forecast,
            resources=resources,
            engines=measured.engines,
            rates=measured.rates,
            seconds=seconds(forecast.lacking, measured.rates, resources),
            errors={**forecast.errors, **measured.errors},
        )

    def _made(self, cells: Sequence[Cell], images: int, lacking: Lacking, errors: Mapping[Cell, str]) -> Forecast:
        settings = self._ground.settings
        device, precision = machine(settings, self._ground.remembered)
        return Forecast(
            cells=tuple(cells),
            images=images,
            stored=images * (len(cells) - len(errors)) - lacking.all_predictions,
            lacking=lacking,
            store_bytes=_size(self._ground.store),
            device=device,
            precision=precision,
            runtime=settings.runtime,
            executor=settings.executor,
            resources=Resources(
                settings.processes, max(1, usable_cores() // settings.processes), 0, device.partition(":")[0]
            ),
            errors=errors,
        )

    def _work(self, jobs: Sequence[Job], settings: SweepSettings) -> Work:
        from pytest_robustness.inference.sweep.unreadable import UnreadableImages
        from pytest_robustness.inference.sweep.work import Work

        selection, progress = self._ground.bench.selection, self._progress()
        unreadable = UnreadableImages(selection, self._ground.store, settings.on_bad_image, progress.note)
        unreadable.find()
        return Work(
            jobs,
            selection,
            store=self._ground.store,
            unreadable=unreadable,
            progress=progress,
            settings=settings,
            calls=self._ground.calls,
        )


def counted(work: Work) -> tuple[Lacking, NDArray[np.int64]]:
    """Return what is lacking, and the positions of the first images that some job lacks: int64 [n]."""
    images = shards = rows = 0
    groups: Counter[Group] = Counter()
    predictions: Counter[Cell] = Counter()
    passes: Counter[str] = Counter()
    places: dict[Group, list[int]] = {}
    for place, job in enumerate(work.jobs):
        places.setdefault(Group(job.loaded.model.preprocess.canvas, job.condition), []).append(place)
    first: list[NDArray[np.int64]] = []
    for shard, lacks in work.lacks():
        some = lacks.any(axis=0)
        if images < _FIRST_IMAGES:
            first.append(shard.start + np.flatnonzero(some))
        images += int(some.sum())
        shards += 1
        rows += int(lacks.any(axis=1).sum())
        for group, members in places.items():
            groups[group] += int(lacks[members].any(axis=0).sum())
        for job, count in zip(work.jobs, lacks.sum(axis=1).tolist(), strict=True):
            predictions[job.cell] += count
            passes[job.loaded.name] += count * len(job.variants)
    lacking = Lacking(images, shards, rows, +groups, +predictions, +passes)
    return lacking, np.concatenate([np.empty(0, np.int64), *first])


def _size(store: Store) -> int:
    """Return the bytes that the store takes, what is not yet merged into its file included."""
    files = (store.path, store.path.with_name(store.path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
