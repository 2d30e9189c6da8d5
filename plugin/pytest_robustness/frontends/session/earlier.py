"""Show what earlier runs found on the same images beside what this one did, and remember this one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from typing import TYPE_CHECKING

from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.frontends.session.judging import comparison_of
from pytest_robustness.frontends.session.options import RunMode
from pytest_robustness.inference import provenance
from pytest_robustness.inference.jobs import transform_key
from pytest_robustness.inference.past_runs import PastRun, Present, forget_runs, past_runs, remember_run
from pytest_robustness.inference.remembered import Remembered
from pytest_robustness.report.earlier import with_earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.inference.loading.model_facts import ModelFacts
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.report.build import RunRecord
    from pytest_robustness.report.run_report import RunReport

_log = logging.getLogger(__name__)


class EarlierRuns:
    """What the store remembers of runs on the images of this one.

    A comparison of a candidate shows nothing of them, and a run that found stored answers to be wrong forgets them.

    Parameters
    ----------
    options, record
        Of this run.
    images
        Returns the images of this run, for a comparison with a baseline.
    """

    def __init__(self, options: Options, record: RunRecord, images: Callable[[], baseline.ImageSet]) -> None:
        self._options = options
        self._record = record
        self._images = images
        self.bench: JobMaker | None = None
        """The images and transforms of this run, where this process opened them."""

    def added_to(self, own: RunReport) -> RunReport:
        """Return the report of this run with what earlier runs found that still holds."""
        log, store = self._record.run_log, self._record.predictor.store
        try:
            past = past_runs(store, log.dataset)
            if not past or self._options.mode is RunMode.CANDIDATE or not self._can_be_judged():
                return own
            return with_earlier(self._record, own, past, self._present(), self._judge_of)
        except (RobustnessError, LookupError):  # this run's own report stands without
            _log.debug("earlier runs cannot be shown", exc_info=True)
            return own

    def remember(self, models: Sequence[str], conditions: Sequence[Condition]) -> None:
        """Remember this run; models and conditions are those of its options, in order."""
        log, precision = self._record.run_log, self._precision
        if not log.tests or not precision:
            return
        keys = {condition: self._transform(condition) for condition in {cell.condition for cell in log.keys}}
        ended = dt.datetime.now(dt.UTC)
        run = PastRun(
            when=f"{ended:%Y-%m-%d %H:%M} UTC",
            # A worker of xdist does not know the command that was typed.
            log=dataclasses.replace(log, provenance={**log.provenance, "command": provenance.command()}),
            seed=self._record.seed,
            precision=precision,
            transforms={condition: key for condition, key in keys.items() if key is not None},
            models=tuple(models),
            conditions=tuple(conditions),
            policy=dataclasses.asdict(self._record.judge.policy),
        )
        store = self._record.predictor.store
        try:
            if log.warnings:
                # Answers that were computed with what a key does not cover may be wrong under other conditions, too.
                forget_runs(store, log.dataset)
            remember_run(store, run)
        except RobustnessError:  # the report of this run stands, and a later one has less to show
            _log.debug("the run is not remembered", exc_info=True)

    @property
    def _precision(self) -> str:
        return str(self._record.run_log.provenance.get("precision", ""))

    def _present(self) -> Present:
        return Present(self._facts, self._transform, self._record.seed, self._precision)

    def _facts(self, model: str) -> ModelFacts | None:
        """Return what is known of a model: as this run loaded it; of a published one also without loading it."""
        log = self._record.run_log
        if model in log.models:
            return log.models[model]
        if self.bench is None or not self.bench.published(Cell(model, CONTROL)):
            return None
        known = Remembered(self._record.predictor.store, self.bench.zoo).model(model, self.bench.selection)
        return None if known is None else self.bench.as_judged(known)

    def _transform(self, condition: Condition) -> str | None:
        try:
            # As it applies to the images of the run it has the same key.
            transform = None if condition == CONTROL else self._record.registry.get(condition.transform)
            return transform_key(transform, condition)
        except Exception:  # a user's transform may raise anything, and another run may have had one of the name
            _log.debug("the key of %s is not known", condition, exc_info=True)
            return None

    @property
    def _expects_baseline(self) -> bool:
        return self._options.expect == "baseline" and self._options.mode is RunMode.COMPARE

    def _can_be_judged(self) -> bool:
        """Whether earlier findings can be compared with a baseline, where one is expected: the images are open."""
        return not self._expects_baseline or self.bench is not None

    def _judge_of(self, predictions: StoredPredictions, log: RunLog) -> Judge:
        policy, comparison = self._record.judge.policy, None
        if self._expects_baseline and self.bench is not None:
            comparison = comparison_of(self._options, predictions, self._images)
            conditions = list(dict.fromkeys(cell.condition for cell in log.keys))
            if comparison is not None:
                protocol = baseline.RunProtocol.of(self.bench, conditions, seed=self._record.seed, policy=policy)
                comparison.require_comparable(protocol, tests=True)
        return Judge(predictions, log, policy, comparison, expect_baseline=comparison is not None)
