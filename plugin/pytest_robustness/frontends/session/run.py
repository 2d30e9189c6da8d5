"""Wire the stages of one run: inference -> analysis -> report, and the baseline beside them."""

from __future__ import annotations

import dataclasses
import logging
import os
import traceback
from typing import TYPE_CHECKING

from pytest_robustness import report
from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.checks import ChanceCheck
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import Cell
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.files import short_path
from pytest_robustness.frontends.session.earlier import EarlierRuns
from pytest_robustness.frontends.session.judging import comparison_of, examiner_of, policy_of, undecided_outcome
from pytest_robustness.frontends.session.options import RunMode
from pytest_robustness.frontends.session.predicting import Means, predictor_of, unlabelled_of
from pytest_robustness.frontends.session.updating import baseline_of, update_baseline
from pytest_robustness.inference.image_names import ImageNames
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.report.build import RunRecord, build_report
from pytest_robustness.report.gate_text import why_no_skip, why_undecided_fails
from pytest_robustness.report.unfinished_text import nothing_judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.core import Condition, Panel
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.inference.agreement import Agreement
    from pytest_robustness.inference.forecast.forecast import Forecast
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.inference.run_log import StudyRequest
    from pytest_robustness.report.run_report import RunReport

_log = logging.getLogger(__name__)


class Run:
    """One run: computes cells, judges them, writes the reports and the baseline.

    Parameters
    ----------
    options
        What the user asked for.
    means
        What computing takes besides.
    agreement
        What this process computes on, where several share the run.

    Attributes
    ----------
    log
        What this process did.
    judge
        Makes the findings.
    examiner
        Answers the studies.
    record
        What a report is built from.
    report
        What the reports show; ``None`` before they are written, or where nothing was tested.

    Raises
    ------
    OptionError
        When the data is not known, or options that need a baseline have none.
    BaselineError
        When the baseline cannot be used.
    """

    def __init__(self, options: Options, means: Means, agreement: Agreement | None = None) -> None:
        self._options = options
        self._agreement = agreement
        self.log = RunLog()
        self.report: RunReport | None = None
        self._report_error: str | None = None
        self._notes: list[str] = []
        registry = means.registry
        self._predictor = predictor_of(options, means, self.log, self._admit, self._agree)
        images = self._predictor.images
        self._unlabelled = unlabelled_of(options, means, self.log)
        self._predictions = StoredPredictions(lambda: self._predictor.store, self.log)
        self._comparison = comparison_of(options, self._predictions, self._images, registry.names)
        self.judge = Judge(
            self._predictions,
            self.log,
            policy_of(options),
            self._comparison,
            expect_baseline=options.expect == "baseline",
            names=ImageNames(images),
        )
        self.examiner = examiner_of(
            options, self.judge, self._predictions, self.log, registry, images, self._unlabelled, means.zoo
        )
        found = (self._predictions, self.judge, self.examiner)
        self.record = RunRecord(
            self.log,
            self._predictor,
            *found,
            registry,
            options.seed,
            options.chance_check,
            objects=frozenset(means.zoo.given),
        )
        self._earlier = EarlierRuns(options, self.record, self._images)

    @property
    def candidate_conditions(self) -> tuple[Condition, ...]:
        """The conditions of the baseline, where a candidate is compared with it; else none."""
        if self._comparison is None or self._options.mode is not RunMode.CANDIDATE:
            return ()
        return self._comparison.conditions

    def open_data(self) -> JobMaker:
        """Open the data and the store, once, so that errors in them are reported before any test runs.

        Raises
        ------
        DataError, StoreError, OptionError
            When the data cannot be found, listed, or is empty; the store cannot be used; there is no such device.
        """
        bench = self._predictor.open_data()
        if self._unlabelled is not None:
            self._unlabelled.open_data()
        return bench

    def ensure(self, request: Cell | Panel) -> None:
        """Compute what ``request`` needs, with everything else that the plan still lacks, in one sweep.

        Raises
        ------
        RobustnessError
            When the data cannot be read, or a cell could not be computed (of a panel: none of its models could).
        """
        if self._predictor.ensure(request):
            _check_answers(self.record)
        if isinstance(request, Cell) or not self.log.testable(request):
            self.log.require(*Plan.of([request]).cells)

    def forecast(self) -> Forecast:
        """Return what computing the planned cells would take; raises what `open_data` raises."""
        return self._predictor.forecast(self.log.plan.cells)

    def study(self, request: StudyRequest) -> StudyFinding:
        """Answer a study; what it needs and the store lacks is computed, and no baseline is compared under it.

        Raises
        ------
        RobustnessError
            When the data cannot be read, or what the study needs could not be computed.
        """
        return self.examiner.examine(request, self._probe)

    def build_report(self, models: Sequence[str], conditions: Sequence[Condition]) -> RunReport | None:
        """Return what the reports show, ``None`` where nothing was tested; arguments as for `write_reports`."""
        built = build_report(self.record, models, conditions)
        self._earlier.remember(models, conditions)
        return built and _with_closing(built, self._options)

    def write_reports(self, models: Sequence[str], conditions: Sequence[Condition]) -> bool:
        """Write the reports of what was computed; return whether that succeeded (`summary` has the error).

        Parameters
        ----------
        models, conditions
            Those of the options, in their order.
        """
        failed: list[str] = []
        # What lies elsewhere is not lost with the report.
        for step in (self._write_report, self.update_baseline, self._append_summary):
            failed += _failure_of(step, models, conditions)
            if self.report is None:
                break
        fails, lines = _ending(self.report, failed, self.log, self._options)
        self._report_error = "\n".join(lines) or None
        return not fails

    def update_baseline(self, models: Sequence[str], conditions: Sequence[Condition]) -> list[str]:
        """Write the baseline where the options ask for it, and return what to say of it; raise as `update_baseline`."""
        path = self._options.baseline
        if self._options.mode is not RunMode.WRITE or path is None:
            return []
        protocol = self._protocol(self._predictor.open_data(), self.log.wanted.conditions_of_all())
        self._notes = update_baseline(path, baseline_of(self.record, protocol, self._images()), models, conditions)
        return self._notes

    def summary(self, width: int, color: bool, verbose: bool = False) -> str:
        """Return the terminal summary of the run, ``width`` columns wide."""
        if self.report is None:
            return f"{self._report_error}\n" if self._report_error else ""
        folder = self._options.report
        whole = [f"Report: {short_path(folder)}", *report.image_lines(self.report, folder)]
        where = [self._report_error] if self._report_error else whole
        return report.terminal_text(self.report, width, color, os.environ, [*where, *self._notes], verbose)

    def close(self) -> None:
        """Close the store."""
        self._predictor.close()
        if self._unlabelled is not None:
            self._unlabelled.close()

    def _probe(self, cells: Iterable[Cell]) -> None:
        if self._predictor.probe(tuple(cells)):
            _check_answers(self.record)

    def _admit(self, bench: JobMaker, conditions: Sequence[Condition], compared: bool) -> None:
        self._earlier.bench = bench
        if compared:
            self._require_comparable(bench, conditions)
        if self._agreement is not None:
            self._agreement.opened(bench, self.log.plan, conditions)

    def _agree(self) -> None:
        if self._agreement is not None:
            self.log.facts = self._agreement.loaded(self.log.models)
            self._agreement.require()

    def _require_comparable(self, bench: JobMaker, conditions: Sequence[Condition]) -> None:
        if self._comparison is not None:
            protocol = self._protocol(bench, conditions)
            self._comparison.require_comparable(protocol, tests=self._options.expect == "baseline")

    def _protocol(self, bench: JobMaker, conditions: Sequence[Condition]) -> baseline.RunProtocol:
        return baseline.RunProtocol.of(bench, conditions, seed=self._options.seed, policy=self.judge.policy)

    def _images(self) -> baseline.ImageSet:
        return baseline.ImageSet(self._predictions.identities, self._predictions.labels, self._predictions.classes)

    def _write_report(self, models: Sequence[str], conditions: Sequence[Condition]) -> None:
        self.report = self.build_report(models, conditions)
        if self.report is not None:
            report.write_all(self._earlier.added_to(self.report), self._options.report)

    def _append_summary(self, *_: object) -> None:
        if self.report is not None:
            report.append_step_summary(self.report, os.environ)


def _failure_of(step: Callable[..., object], models: Sequence[str], conditions: Sequence[Condition]) -> list[str]:
    """Take a step of writing; return why it failed, if it did."""
    try:
        step(models, conditions)
    except Exception as error:  # re-raising would suppress pytest's own summary
        _log.debug("%s failed", step.__name__, exc_info=True)
        fault = "The report could not be written, because of a fault of pytest-robustness:\n"
        return [str(error) if isinstance(error, RobustnessError) else f"{fault}{traceback.format_exc()}"]
    return []


def _ending(built: RunReport | None, failed: list[str], log: RunLog, options: Options) -> tuple[bool, list[str]]:
    """Return whether writing failed, and why; of a run without a report why it has none, on GitHub's page too."""
    if built is not None:
        return bool(failed), failed
    missing = _missing(options)
    lines = [*(failed or [nothing_judged(log.unfinished)]), *missing]
    unsaid = _failure_of(lambda *_: report.append_no_verdict(lines, os.environ), (), ())
    return bool(failed or missing or unsaid), [*lines, *unsaid]


def _missing(options: Options) -> list[str]:
    """Return what a run without a report was for, and has not done: it fails for that."""
    if options.mode is RunMode.WRITE:
        return ["The baseline was not written."]
    if options.mode is RunMode.CANDIDATE and undecided_outcome(options) is Outcome.FAIL:
        return [f"The candidate was not compared with the baseline, which fails {why_no_skip(options.inconclusive)}."]
    return []


def _with_closing(built: RunReport, options: Options) -> RunReport:
    why = why_undecided_fails(built.gate_tests, options.inconclusive)
    return dataclasses.replace(built, notes=(*built.notes, why)) if why else built


def _check_answers(run: RunRecord) -> None:
    """Note what was computed of no use: models at chance level, images that could not be read."""
    log = run.run_log
    check = ChanceCheck.of(run.chance_check, log.models, run.proposals)
    for model, message in check.errors(run.predictions).items():
        log.errors |= {cell: message for cell in log.asked.cells if cell.model == model}
    if log.unreadable:
        source, indices = run.predictor.images()
        log.skipped = [source.describe(int(indices[position])) for position in log.unreadable]
