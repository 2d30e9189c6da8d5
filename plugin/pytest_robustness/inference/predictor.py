"""Computes the cells that tests ask for: opens data and store, sweeps over what is missing, and keeps the ledger."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from pytest_robustness import data
from pytest_robustness.analysis.results import Results, TestPolicy
from pytest_robustness.core import Cell, Panel
from pytest_robustness.core.process import limit_openmp_spin, quick_imports
from pytest_robustness.errors import DataError, RobustnessError, cause
from pytest_robustness.inference import provenance
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Condition, DataSource, Progress
    from pytest_robustness.inference.jobs import Job, JobMaker
    from pytest_robustness.inference.run_log import Ledger
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.plugin.options import Options
    from pytest_robustness.transforms import Registry


class Computation:
    """The way from the options to finished cells.

    Parameters
    ----------
    options
        What the user asked for.
    registry, zoo
        Where transforms and models come from.
    ledger
        Told what was computed, and what kept the rest.
    progress
        Makes what tells how far a sweep is.
    check
        Called with conditions before anything is computed under them; what it raises keeps that from happening.
    processes
        How many processes like this one share the machine.
    process
        Which of them this is, from 0: they take the GPUs in turn.
    """

    def __init__(
        self,
        options: Options,
        registry: Registry,
        zoo: ModelZoo,
        ledger: Ledger,
        *,
        progress: Callable[[], Progress],
        check: Callable[[JobMaker, Sequence[Condition]], None],
        processes: int,
        process: int,
    ) -> None:
        limit_openmp_spin()
        self._options = options
        self._registry = registry
        self._zoo = zoo
        self._ledger = ledger
        self._progress = progress
        self._check = check
        self._processes = processes
        self._process = process
        self._store: Store | None = None
        self._finished: Results | None = None
        self._bench: JobMaker | None = None
        self._fatal: RobustnessError | None = None

    @property
    def store(self) -> Store:
        """The store, opened when first asked for."""
        if self._store is None:
            self._store = Store(self._options.store)
        return self._store

    @property
    def results(self) -> Results:
        """The finished cells of the ledger, and what they say."""
        if self._finished is None:
            options = self._options
            policy = TestPolicy(
                options.test, options.alpha, options.correction, options.max_sensitive, options.equivalence
            )
            self._finished = Results(self.store, self._ledger, policy)
        return self._finished

    def open_data(self) -> JobMaker:
        """Open the data and the store, once.

        Raises
        ------
        DataError, StoreError, OptionError
            When the data cannot be found, listed, or is empty; the store cannot be used; there is no such device.
        """
        if self._bench is None:
            with quick_imports():
                from pytest_robustness.inference.device import resolve_device
                from pytest_robustness.inference.jobs import JobMaker, select
                from pytest_robustness.inference.precision import resolve_precision
                from pytest_robustness.inference.runtimes import choice

            options = self._options
            device = resolve_device(options.device, self._process)
            precision = resolve_precision(options.precision, device)
            choice.require(options.runtime, device, precision)
            selection = select(options.data, limit=options.limit, seed=options.seed, download=options.download)
            bench = JobMaker(selection, self._zoo, self._registry, options.seed, precision)
            self.store.put_dataset(selection.fingerprint, selection.source.name, bench.classes, selection.labels)
            self._ledger.dataset = selection.fingerprint
            self._check(bench, self._ledger.plan.conditions_of_all())
            self._bench = bench
        return self._bench

    def images(self) -> tuple[DataSource, NDArray[np.int64]]:
        """Return where the images are and which were chosen (int64 [n]); nothing is computed for that.

        Raises
        ------
        DataError
            When they are no longer there.
        """
        if self._bench is not None:
            return self._bench.selection.source, self._bench.selection.indices
        # The controller of xdist has no bench, and needs no fingerprint: the workers took it.
        source = data.open_source(self._options.data)
        return source, data.select(source.labels, self._options.limit, self._options.seed)

    def ensure(self, request: Cell | Panel) -> Results:
        """Compute what ``request`` needs, with everything else that the plan still lacks, in one sweep.

        Raises
        ------
        RobustnessError
            When the data cannot be read, or a cell could not be computed (of a panel: none of its models could).
        """
        needed, ledger = Plan.of([request]).cells, self._ledger
        known = {*ledger.keys, *ledger.errors}
        if not known.issuperset(needed):
            self._admit([cell for cell in needed if cell not in ledger.wanted])
            self._compute([cell for cell in ledger.wanted.cells if cell not in known])
        if isinstance(request, Cell) or not ledger.judged(request):
            self.results.require(*needed)
        return self.results

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _admit(self, unplanned: Sequence[Cell]) -> None:
        """Take on cells that nobody planned."""
        if unplanned:
            self._check(self.open_data(), [cell.condition for cell in unplanned])
            self._ledger.unplanned = self._ledger.unplanned.extended(unplanned)

    def _compute(self, cells: list[Cell]) -> None:
        if self._fatal is not None:
            raise self._fatal
        started, ledger = time.monotonic(), self._ledger
        try:
            bench = self.open_data()
            jobs, errors = bench.jobs(cells)
            ledger.models |= _facts(bench)
            ledger.provenance = self._provenance(bench)
            errors |= self._sweep(bench, jobs)
            ledger.keys |= {job.cell: job.key for job in jobs if job.cell not in errors}
            ledger.errors |= errors
            self._look_at(bench)
        except Exception as error:
            self._fatal = error if isinstance(error, RobustnessError) else RobustnessError(cause(error))
            # The report is to say what kept all of them from being computed.
            ledger.errors |= dict.fromkeys(cells, str(self._fatal))
            raise
        ledger.sweep_seconds = round(ledger.sweep_seconds + time.monotonic() - started, 1)

    def _sweep(self, bench: JobMaker, jobs: Sequence[Job]) -> dict[Cell, str]:
        from pytest_robustness.inference.claims import ShardClaims
        from pytest_robustness.inference.device import resolve_device
        from pytest_robustness.inference.loader import default_workers
        from pytest_robustness.inference.runtimes.choice import RuntimeChoice
        from pytest_robustness.inference.sweep import Sweep, SweepSettings

        store, options, progress = self.store, self._options, self._progress()
        device, workers = resolve_device(options.device, self._process), options.workers
        if workers is None:
            workers = default_workers(device.type, len(bench.selection.indices), len(jobs), self._processes)
        store.put_cells(bench.selection.fingerprint, {job.key: job.description for job in jobs})
        sweep = Sweep(
            jobs,
            bench.selection,
            store=store,
            prepare=RuntimeChoice(options.runtime, progress.note).prepare,
            claims=ShardClaims(store.path.with_suffix(".locks"), bench.selection.fingerprint),
            progress=progress,
            settings=SweepSettings(
                device=device,
                precision=bench.precision,
                seed=options.seed,
                workers=workers,
                processes=self._processes,
                on_bad_image=options.on_bad_image,
                batch_size=options.batch_size,
            ),
        )
        sweep.run()
        return sweep.errors

    def _look_at(self, bench: JobMaker) -> None:
        """Look at the new results: models at chance level, images that were skipped."""
        for model, message in self.results.chance_errors(bench.models).items():
            self._ledger.errors |= {cell: message for cell in self._ledger.wanted.cells if cell.model == model}
        source, indices = bench.selection.source, bench.selection.indices
        self._ledger.skipped = [source.describe(int(indices[position])) for position in self.results.skipped()]
        if self._ledger.skipped and self._options.on_bad_image == "error":
            raise DataError(
                f"{self._ledger.skipped[0]} could not be read when the stored results were computed, with "
                f"--robustness-on-bad-image=skip. Remove or replace it, or pass that again."
            )

    def _provenance(self, bench: JobMaker) -> dict[str, Any]:
        from pytest_robustness.inference.device import resolve_device

        selection = bench.selection
        return {
            **provenance.environment(),
            "command": provenance.command(),
            "options": provenance.plain(self._options),
            "device": str(resolve_device(self._options.device, self._process)),
            "dataset": {
                "name": selection.source.name,
                "fingerprint": selection.fingerprint,
                "images": len(selection.indices),
                "classes": len(bench.classes),
            },
        }


def _facts(bench: JobMaker) -> dict[str, dict[str, Any]]:
    """Return what a report says of each model."""
    return {
        name: {
            "fingerprint": loaded.model.fingerprint,
            "class_match": loaded.match.method,
            "preprocess": dataclasses.asdict(loaded.model.preprocess),
        }
        for name, loaded in bench.models.items()
    }
