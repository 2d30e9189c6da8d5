"""Answer the cells of a run: from the store, where it holds them all, else by a sweep over what is missing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core.process import quick_imports
from pytest_robustness.inference.known_answers import known_answers
from pytest_robustness.inference.loading.model_facts import ModelFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from pytest_robustness.core import Cell, Progress
    from pytest_robustness.inference.jobs import Job, JobMaker
    from pytest_robustness.inference.known_answers import KnownAnswers
    from pytest_robustness.inference.remembered import Remembered
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.settings import InferenceSettings
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.inference.sweep.executors import Executor
    from pytest_robustness.inference.sweep.settings import SweepSettings
    from pytest_robustness.inference.user_calls.calls import UserCalls


def machine(settings: InferenceSettings, remembered: Remembered) -> tuple[str, str]:
    """Return the device and the precision to compute with, as an earlier run on this machine chose them, if one did.

    Raises
    ------
    OptionError
        There is no such device here, or it cannot compute so.
    """
    # With Ray this machine needs no GPU: it checks stored answers, and the actors compute on theirs.
    device_asked = "auto" if settings.executor == "ray" and settings.device.startswith("cuda") else settings.device
    options = (device_asked, settings.precision, settings.runtime, settings.process)
    known = remembered.machine(options)
    if known is None:
        with quick_imports():
            from pytest_robustness.inference.device import resolve_device
            from pytest_robustness.inference.precision import resolve_precision
            from pytest_robustness.inference.runtimes import choice

        device = resolve_device(device_asked, settings.process)
        known = str(device), resolve_precision(settings.precision, device)
        if settings.executor == "local":
            choice.require(settings.runtime, device, known[1])
        remembered.put_machine(options, *known)
    return known


def sweep_settings(settings: InferenceSettings, bench: JobMaker, device: torch.device, jobs: int) -> SweepSettings:
    """Return how a sweep of so many jobs computes; a forecast times it so, too."""
    from pytest_robustness.inference.loader.loader import default_workers
    from pytest_robustness.inference.sweep.settings import SweepSettings

    workers = settings.workers
    if workers is None:
        workers = default_workers(device.type, len(bench.selection.indices), jobs, settings.processes)
    return SweepSettings(
        device=device,
        precision=bench.precision,
        seed=settings.seed,
        workers=workers,
        workers_asked=settings.workers is not None,
        processes=settings.processes,
        on_bad_image=settings.on_bad_image,
        batch_size=settings.batch_size,
    )


@dataclasses.dataclass(frozen=True)
class Groundwork:
    """What a run lays before cells are answered: a computation takes it, and a forecast of the computation.

    Parameters
    ----------
    bench
        The images, models and transforms.
    store, remembered
        What earlier runs left.
    settings
        Of the run.
    run_log
        Learns the keys of the cells, what is known of their models, and what was computed.
    calls
        Calls the code of models and transforms; its note receives what the user should know.
    """

    bench: JobMaker
    store: Store
    remembered: Remembered
    settings: InferenceSettings
    run_log: RunLog
    calls: UserCalls

    def known_answers(self, cells: Sequence[Cell]) -> KnownAnswers | None:
        """Return what the store knows, if it has all that is asked for."""
        return known_answers(
            cells,
            self.bench,
            self.store,
            self.remembered,
            on_bad_image=self.settings.on_bad_image,
            note=self.calls.note,
        )


class Computation:
    """Answers cells on the images of a run, and logs their keys, or why they have none.

    Parameters
    ----------
    ground
        What the run has laid; its log records what was computed, and the errors that prevented the rest.
    device
        Where to compute.
    agree
        Called once the models are known, before anything is computed; it prevents that by raising an error.
    """

    def __init__(self, ground: Groundwork, *, device: str, agree: Callable[[], None]) -> None:
        self._ground = ground
        self._device = device
        self._agree = agree

    def answer(self, cells: list[Cell], progress: Callable[[], Progress]) -> None:
        """Answer ``cells``; a sweep shows its progress on the display that ``progress`` makes."""
        log, known = self._ground.run_log, self._ground.known_answers(cells)
        # Of several processes one may find that the others have computed all; and it is said once.
        may_say = self._ground.settings.processes == 1 and not log.keys
        if known is not None:
            self._take(known)
        elif self._compute_missing(cells, progress):
            return
        if may_say and not log.errors:
            self._ground.calls.note(f"nothing to compute: {self._ground.store.path} holds every answer")

    def _take(self, known: KnownAnswers) -> None:
        log = self._ground.run_log
        log.models |= known.models
        self._agree()
        log.keys |= known.keys
        log.unreadable = sorted({*log.unreadable, *known.unreadable})

    def _compute_missing(self, cells: list[Cell], progress: Callable[[], Progress]) -> bool:
        """Compute what the store lacks, and return whether it lacked anything."""
        log, bench = self._ground.run_log, self._ground.bench
        with quick_imports():
            import torch
        jobs, errors = bench.jobs(cells)
        facts = {name: ModelFacts.of_model(loaded) for name, loaded in bench.models.items()}
        log.models |= facts
        self._agree()
        lacked, failed = self._sweep(torch.device(self._device), jobs, progress())
        errors |= failed
        log.keys |= {job.cell: job.key for job in jobs if job.cell not in errors}
        log.errors |= errors
        for name, loaded in bench.models.items():
            if loaded.published and loaded.files is not None:
                self._ground.remembered.put_model(name, bench.selection, facts[name], loaded.files)
        return lacked

    def _sweep(self, device: torch.device, jobs: Sequence[Job], progress: Progress) -> tuple[bool, dict[Cell, str]]:
        from pytest_robustness.inference.sweep.sweep import Sweep

        log, bench = self._ground.run_log, self._ground.bench
        executor = self._executor(progress)
        sweep = Sweep(
            jobs,
            bench.selection,
            store=self._ground.store,
            executor=executor,
            progress=progress,
            settings=sweep_settings(self._ground.settings, bench, device, len(jobs)),
            calls=self._ground.calls,
        )
        lacked = sweep.run()
        log.provenance |= executor.facts()
        log.unreadable = sorted({*log.unreadable, *sweep.unreadable.positions.tolist()})
        log.warnings += sweep.warnings
        return lacked, sweep.errors

    def _executor(self, progress: Progress) -> Executor:
        from pytest_robustness.inference.sweep.claims import ShardClaims

        settings, bench = self._ground.settings, self._ground.bench
        folder = self._ground.store.path.with_suffix(".locks")
        claims = ShardClaims(folder, bench.selection.fingerprint, progress.note)
        if settings.executor == "ray":
            from pytest_robustness.inference.sweep.executors.ray import RayExecutor

            return RayExecutor(settings, bench.zoo, claims)
        from pytest_robustness.inference.runtimes.choice import RuntimeChoice
        from pytest_robustness.inference.sweep.executors.local import LocalExecutor

        return LocalExecutor(RuntimeChoice(settings.runtime, progress.note).prepare, claims)
