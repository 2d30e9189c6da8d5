"""Compute the predictions that tests ask for: open data and store, have cells answered, keep the run log."""

from __future__ import annotations

import logging
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness import data
from pytest_robustness.core import PIPELINE_VERSION
from pytest_robustness.core.errors import DataError, RobustnessError, cause
from pytest_robustness.core.process import limit_openmp_spin, working_in
from pytest_robustness.inference.computation import Computation, Groundwork, machine
from pytest_robustness.inference.jobs import JobMaker
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.remembered import Remembered
from pytest_robustness.inference.selection import select
from pytest_robustness.inference.store.store import Store, StoredSelection
from pytest_robustness.inference.user_calls.calls import UserCalls
from pytest_robustness.inference.user_calls.handlers import unwrapped
from pytest_robustness.inference.user_calls.last_words import Diary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Cell, Condition, DataSource, Panel, Progress, Selection
    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.inference.forecast.forecast import Forecast
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.settings import InferenceSettings
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)


class Predictor:
    """Computes the cells that tests ask for and that the store lacks.

    Parameters
    ----------
    settings
        Which images, and how.
    registry, zoo
        Provide transforms and models.
    run_log
        Records what was computed, and the errors that prevented the rest.
    progress
        Factory for the progress display.
    check
        Called with conditions before anything is computed under them, and whether tests ask for them or studies alone;
        it prevents that by raising an error.
    agree
        Called once the models are loaded, before anything is computed; it prevents that by raising an error.
    provenance
        Returns what the run log records of the run besides device and dataset.
    """

    def __init__(
        self,
        settings: InferenceSettings,
        registry: Registry,
        zoo: ModelZoo,
        run_log: RunLog,
        *,
        progress: Callable[[], Progress],
        check: Callable[[JobMaker, Sequence[Condition], bool], None],
        agree: Callable[[], None],
        provenance: Callable[[], Mapping[str, Any]],
    ) -> None:
        limit_openmp_spin()
        self._settings = settings
        self._registry = registry
        self._zoo = zoo
        self._run_log = run_log
        self._progress = progress
        self._check = check
        self._agree = agree
        self._provenance = provenance
        self._directory = Path.cwd()
        self._store: Store | None = None
        self._bench: JobMaker | None = None
        self._images: tuple[DataSource, NDArray[np.int64]] | None = None
        self._fatal: RobustnessError | None = None
        self._shown: Progress | None = None
        # A run within a run of xdist has that variable too, and is one of its own.
        shared = os.environ.get("PYTEST_XDIST_TESTRUNUID") if settings.processes > 1 else None
        self._diary = Diary(settings.store.with_suffix(".running"), shared or uuid.uuid4().hex)
        self._calls = UserCalls(self._note, warn=self._warn, timeout=settings.timeout, diary=self._diary)

    @property
    def _remembered(self) -> Remembered:
        return Remembered(self.store, self._zoo)

    @property
    def store(self) -> Store:
        """The store, opened when first asked for."""
        if self._store is None:
            self._store = Store(self._settings.store)
        return self._store

    def open_data(self) -> JobMaker:
        """Open the data and the store, once.

        Raises
        ------
        DataError, StoreError, OptionError
            When the data cannot be found, listed, or is empty; the store cannot be used; there is no such device.
        """
        if self._bench is None:
            with working_in(self._directory):
                self._bench = self._open()
        return self._bench

    def images(self) -> tuple[DataSource, NDArray[np.int64]]:
        """Return the source of the images and the indices of those chosen (int64 [n]), without computing anything.

        Raises
        ------
        DataError
            When they are no longer there.
        """
        if self._bench is not None:
            return self._bench.selection.source, self._bench.selection.indices
        # The controller of xdist opens no data before the report, and needs no fingerprint: the workers computed it.
        if self._images is None:
            given = self._settings.given
            with working_in(self._directory):
                source = given or data.open_source(self._settings.data, labelled=self._settings.labelled)
                self._images = source, data.select(source, self._settings.limit, self._settings.seed)
        return self._images

    @unwrapped()
    def ensure(self, request: Cell | Panel) -> bool:
        """Compute what ``request`` needs, with everything else that the plan still lacks, in one sweep.

        What cannot be computed for one model has its reason in the run log; see `RunLog.require`.

        Returns
        -------
        bool
            Whether anything was computed.

        Raises
        ------
        RobustnessError
            When nothing can be computed: the data cannot be read, say.
        """
        needed, log = Plan.of([request]).cells, self._run_log
        if log.known(needed):
            return False
        unplanned = [cell for cell in needed if cell not in log.wanted]
        if unplanned:
            self._check(self.open_data(), [cell.condition for cell in unplanned], True)
            log.unplanned = log.unplanned.extended(unplanned)
        self._compute(log.not_known())
        return True

    @unwrapped()
    def probe(self, cells: Sequence[Cell]) -> bool:
        """Compute what a study needs, as `ensure` does; no test judges these cells, and no baseline holds them."""
        log = self._run_log
        if log.known(cells):
            return False
        self._check(self.open_data(), [cell.condition for cell in cells], False)
        log.probed = log.probed.extended(cell for cell in cells if cell not in log.wanted)
        self._compute(log.not_known())
        return True

    @unwrapped()
    def forecast(self, cells: Sequence[Cell]) -> Forecast:
        """Return what computing ``cells`` would take; no answer is stored. Raises what `ensure` raises."""
        from pytest_robustness.inference.forecast.forecaster import Forecaster

        ground = self._ground()
        with working_in(self._directory):
            return Forecaster(ground, self._progress).forecast(cells)

    def close(self) -> None:
        """Close the store: the process ends in order."""
        self._diary.close()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _ground(self) -> Groundwork:
        return Groundwork(self.open_data(), self.store, self._remembered, self._settings, self._run_log, self._calls)

    def _show(self) -> Progress:
        self._shown = self._progress()
        return self._shown

    def _note(self, message: str) -> None:
        (self._shown or self._progress()).note(message)

    def _warn(self, message: str) -> None:
        self._note(message)
        self._run_log.warnings.append(message)

    def _open(self) -> JobMaker:
        settings = self._settings
        self._calls.name_suspects()
        self._zoo.hashes.note = self._note
        with self._calls.call(settings.data, "when it was opened", error=DataError):
            selection = _selected(settings, self._zoo.hashes)
        _, precision = machine(self._settings, self._remembered)
        zoo = _named(self._zoo, settings, selection)
        parts = (selection, zoo, self._registry, settings.seed, precision, self._calls)
        bench = JobMaker(*parts, same_classes=settings.same_classes, output_rule=settings.outputs)
        stored = StoredSelection(selection.source.name, bench.classes, selection.labels, selection.identities)
        self.store.put_selection(selection.fingerprint, stored)
        self._run_log.dataset = selection.fingerprint
        self._check(bench, self._run_log.plan.conditions_of_all(), True)
        return bench

    def _compute(self, cells: list[Cell]) -> None:
        if self._fatal is not None:
            raise self._fatal
        log = self._run_log
        try:
            bench, started = self.open_data(), time.monotonic()  # a forecast counts from here, too
            device, _ = machine(self._settings, self._remembered)
            # Before anything can fail: the report of a run that computed nothing names them, too.
            made = {"device": device, "precision": bench.precision, **_data_facts(bench, log, cells)}
            log.provenance = {**self._provenance(), **made}
            with working_in(self._directory):
                Computation(self._ground(), device=device, agree=self._agree).answer(cells, self._show)
            self._shown = None
        except Exception as error:
            _log.debug("nothing could be computed", exc_info=True)
            self._fatal = error if isinstance(error, RobustnessError) else RobustnessError(cause(error))
            # The report names what kept all of them from being computed.
            log.errors |= dict.fromkeys(cells, str(self._fatal))
            raise
        log.sweep_seconds = round(log.sweep_seconds + time.monotonic() - started, 1)


def _selected(settings: InferenceSettings, hashes: FileHashes) -> Selection:
    return select(
        settings.data,
        limit=settings.limit,
        seed=settings.seed,
        download=settings.download,
        hashes=hashes,
        labelled=settings.labelled,
        given=settings.given,
    )


def _named(zoo: ModelZoo, settings: InferenceSettings, selection: Selection) -> ModelZoo:
    """Return the zoo, which makes some models from names of classes: those of the images that are judged on."""
    if settings.labelled or settings.same_classes:
        zoo.name_classes(selection.source.classes)
    return zoo


def _data_facts(bench: JobMaker, log: RunLog, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return what is computed, and on which data; what the log has of an earlier sweep stays."""
    selection = bench.selection
    dataset = {
        "name": selection.source.name,
        "fingerprint": selection.fingerprint,
        "images": len(selection.indices),
        "classes": len(bench.classes),
        "labels": "data" if selection.labelled else "none",
    }
    keys = log.provenance.get("transform_keys", {}) | bench.transform_keys(cells)
    executor = {name: log.provenance[name] for name in ("executor",) if name in log.provenance}
    return {"dataset": dataset, "pipeline": PIPELINE_VERSION, "transform_keys": keys, **executor}
