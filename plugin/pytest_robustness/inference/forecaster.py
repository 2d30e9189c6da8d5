"""Forecast a run: count what the store lacks of it, and time the first batch of each model that lacks something."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core.process import quick_imports
from pytest_robustness.inference.computation import machine
from pytest_robustness.inference.forecast import Forecast, Group, Lacking, Resources, seconds
from pytest_robustness.inference.known_answers import known_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, Progress
    from pytest_robustness.inference.batch_runner import SweepSettings
    from pytest_robustness.inference.first_batches import Measured
    from pytest_robustness.inference.jobs import Job, JobMaker
    from pytest_robustness.inference.remembered import Remembered
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.settings import InferenceSettings
    from pytest_robustness.inference.store import Store
    from pytest_robustness.inference.sweep import Sweep
    from pytest_robustness.inference.user_calls import UserCalls

# As many of the images that are lacking are at hand to be timed on.
_FIRST_IMAGES = 5 * 512


class Forecaster:
    """Forecasts what a run would compute; nothing is stored, and no test is answered.

    Parameters
    ----------
    bench
        The images, models and transforms.
    store, remembered
        What earlier runs left.
    settings
        Of the run.
    run_log
        Learns the keys of the cells that are whole in the store, so that their findings can be asked for.
    calls
        Calls models and transforms; its note receives what the user should know.
    progress
        Makes the display of a sweep, which only notes are shown on.
    """

    def __init__(
        self,
        bench: JobMaker,
        store: Store,
        remembered: Remembered,
        settings: InferenceSettings,
        run_log: RunLog,
        *,
        calls: UserCalls,
        progress: Callable[[], Progress],
    ) -> None:
        self._bench = bench
        self._store = store
        self._remembered = remembered
        self._settings = settings
        self._run_log = run_log
        self._calls = calls
        self._progress = progress

    def forecast(self, cells: Sequence[Cell]) -> Forecast:
        """Return what computing ``cells`` would take.

        Raises
        ------
        RobustnessError
            As the run would: the store or an image cannot be read, say.
        """
        bench, settings = self._bench, self._settings
        known = known_answers(
            cells, bench, self._store, self._remembered, on_bad_image=settings.on_bad_image, note=self._calls.note
        )
        if known is None:
            return self._with_models(list(cells))
        self._run_log.models |= known.models
        self._run_log.keys |= known.keys
        self._run_log.unreadable = known.unreadable
        images = _distinct(bench.selection.identities, bench.selection.labels, known.unreadable)
        return self._made(cells, images, Lacking(), 0.0)

    def _with_models(self, cells: list[Cell]) -> Forecast:
        with quick_imports():
            import torch

            from pytest_robustness.inference.computation import facts_of

        started = time.monotonic()
        jobs, errors = self._bench.jobs(cells)
        loading = time.monotonic() - started
        device, _ = machine(self._settings, self._remembered)
        sweep_settings = self._sweep_settings(torch.device(device), len(jobs))
        sweep = self._sweep(jobs, sweep_settings)
        lacking, positions = _counted(sweep, jobs)
        unreadable = sweep.unreadable.positions.tolist()
        images = _distinct(self._bench.selection.identities, self._bench.selection.labels, unreadable)
        log = self._run_log
        log.models |= facts_of(self._bench)
        log.keys |= {job.cell: job.key for job in jobs if not lacking.predictions.get(job.cell)}
        log.unreadable = unreadable
        forecast = self._made(cells, images, lacking, loading, errors)
        if not lacking.shards:
            return forecast
        measured = self._measured(sweep, jobs, lacking, positions, sweep_settings)
        return _timed(forecast, measured)

    def _made(
        self,
        cells: Sequence[Cell],
        images: int,
        lacking: Lacking,
        loading: float,
        errors: dict[Cell, str] | None = None,
    ) -> Forecast:
        settings, failed = self._settings, errors or {}
        device, precision = machine(settings, self._remembered)
        return Forecast(
            cells=tuple(cells),
            images=images,
            stored=images * (len(cells) - len(failed)) - lacking.all_predictions,
            lacking=lacking,
            store_bytes=_size(self._store),
            device=device,
            precision=precision,
            runtime=settings.runtime,
            resources=Resources(settings.processes, _cores(settings.processes), 0, device.partition(":")[0]),
            loading=loading,
            errors=failed,
        )

    def _sweep_settings(self, device: torch.device, jobs: int) -> SweepSettings:
        from pytest_robustness.inference.batch_runner import SweepSettings
        from pytest_robustness.inference.loader import default_workers

        settings, bench = self._settings, self._bench
        workers = settings.workers
        if workers is None:
            workers = default_workers(device.type, len(bench.selection.indices), jobs, settings.processes)
        return SweepSettings(
            device=device,
            precision=bench.precision,
            seed=settings.seed,
            workers=workers,
            processes=settings.processes,
            on_bad_image=settings.on_bad_image,
            batch_size=settings.batch_size,
        )

    def _sweep(self, jobs: Sequence[Job], settings: SweepSettings) -> Sweep:
        from pytest_robustness.inference.claims import ShardClaims
        from pytest_robustness.inference.sweep import Sweep

        return Sweep(
            jobs,
            self._bench.selection,
            store=self._store,
            prepare=self._prepare,
            claims=ShardClaims(self._store.path.with_suffix(".locks"), self._bench.selection.fingerprint),
            progress=self._progress(),
            settings=settings,
            calls=self._calls,
        )
