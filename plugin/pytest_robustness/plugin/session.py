"""Answer what tests ask of a run, and wire its stages: inference -> analysis -> report."""

from __future__ import annotations

import logging
import os
import traceback
from typing import TYPE_CHECKING, TypeVar

from pytest_robustness import data, report
from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.baseline.comparison import BaselineComparison
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.baseline.update import new_baseline
from pytest_robustness.analysis.checks import chance_errors
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import Cell, Panel
from pytest_robustness.core.files import short_path
from pytest_robustness.errors import DataError, OptionError, RobustnessError
from pytest_robustness.inference import provenance
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.predictor import InferenceSettings, Predictor
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.models import ModelZoo
from pytest_robustness.plugin.options import RunMode
from pytest_robustness.plugin.requests import Requests, require_transform
from pytest_robustness.report.build import RunRecord, build_report, examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_robustness.analysis.findings import ClassTest, Finding, GateTest, ImageTest, ModelTest
    from pytest_robustness.core import Condition, Progress
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.plugin.options import Options
    from pytest_robustness.report.gallery import Exhibit
    from pytest_robustness.report.run_report import View
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)

_INCONCLUSIVE = {"pass": Outcome.PASS, "fail": Outcome.FAIL, "skip": Outcome.INCONCLUSIVE}

_Kind = TypeVar("_Kind", bound="Finding")


class RobustnessSession:
    """Answers what tests ask of a run; created once a robustness test is collected.

    Parameters
    ----------
    options
        What the user asked for.
    registry
        The known transforms.
    progress
        Factory for the progress display.
    processes, process
        How many processes share the machine, and which of them this is, from 0: they take the GPUs in turn.

    Attributes
    ----------
    requests
        Resolves the names of models and transforms.
    run_log
        What this process did.
    findings
        What the running test asked for; the plugin clears it between tests.
    run_report
        What the reports show; ``None`` before they are written, or where nothing was tested.

    Raises
    ------
    OptionError
        When a model, a transform, a severity or the data is not known.
    """

    def __init__(
        self,
        options: Options,
        registry: Registry,
        progress: Callable[[], Progress],
        processes: int = 1,
        process: int = 0,
    ) -> None:
        self.options = options
        self.run_log = RunLog()
        self.findings: list[Finding] = []
        self.run_report: View | None = None
        self._report_error: str | None = None
        self._notes: list[str] = []
        zoo = ModelZoo(weights_dir=options.weights_dir, trust_pickle=options.trust_pickle)
        data.check(options.data)
        self._predictor = Predictor(
            _settings(options, processes, process),
            registry,
            zoo,
            self.run_log,
            progress=progress,
            check=self._require_comparable,
            provenance=lambda: provenance.of_run(options),
        )
        self._predictions = StoredPredictions(lambda: self._predictor.store, self.run_log)
        self._comparison = _comparison(options, self._predictions)
        default = self._comparison.conditions if options.mode is RunMode.CANDIDATE and self._comparison else ()
        names = list(dict.fromkeys(condition.transform for condition in default)) or registry.names()
        self.requests = Requests(options, zoo, registry, names)
        self._judge = Judge(
            self._predictions,
            self.run_log,
            _policy(options),
            self._comparison,
            expect_baseline=options.expect == "baseline",
        )
        self._run = RunRecord(self.run_log, self._predictor, self._predictions, self._judge, registry, options.seed)

    def model_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ModelTest:
        """Test whether a model is impacted by a transform: a t-test over its per-class accuracies.

        Parameters
        ----------
        model
            A model's name; or a `Cell`, as the ``cell`` fixture gives it, and nothing else.
        transform, severity
            The condition. Without a severity: the one of the options, or 3 where they name several.

        Raises
        ------
        OptionError
            When the condition is control, which is what the others are compared with.
        RobustnessError
            When the model cannot be loaded or run, or the data cannot be read.
        """
        cell = self.requests.cell(model, transform, severity)
        require_transform(cell.condition)
        self.ensure(cell)
        self.run_log.tests[cell] = None
        return self._keep(self._judge.model_test(cell))

    def class_test(
        self, transform: str | Condition | Panel, severity: int | None = None, models: str | Sequence[str] | None = None
    ) -> ClassTest:
        """Test which classes are sensitive to a transform: for each a t-test over the models' accuracies on it.

        With one model alone, the images of each class are compared by McNemar's exact test.

        Parameters
        ----------
        transform, severity
            The condition, as for `model_test`; or a `Panel`, as the ``condition`` fixture gives it, and nothing else.
        models
            The models to test over; without it, those of the options.

        Raises
        ------
        OptionError
            When the condition is control, which is what the others are compared with.
        RobustnessError
            When none of the models can be loaded or run, or the data cannot be read.
        """
        panel = self.requests.panel(transform, severity, models)
        require_transform(panel.condition)
        self.ensure(panel)
        self.run_log.tests[panel] = None
        return self._keep(self._judge.class_test(panel))

    def image_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ImageTest:
        """Test whether a model's answers to the same images change: McNemar's exact test, overall and by class.

        Takes what `model_test` takes and raises what it raises.
        """
        cell = self.requests.cell(model, transform, severity)
        self.ensure(cell)
        return self._keep(self._judge.image_test(cell))

    def gate_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> GateTest:
        """Test whether a model is less robust than the baseline's: McNemar's exact test on the same images.

        Takes what `model_test` takes, and the condition ``control`` too. Needs ``--robustness-baseline``.

        Raises
        ------
        OptionError
            When there is no baseline to compare with.
        RobustnessError
            When the baseline has no model to compare with; else as `model_test`.
        """
        cell = self.requests.cell(model, transform, severity)
        self.ensure(cell)
        finding = self._judge.gate_test(cell)
        self.run_log.gated[cell] = None
        return self._keep(finding)

    def illustrate(self, finding: Finding) -> tuple[ClassTest, tuple[Exhibit, ...]]:
        """Return the test of every class behind a finding (over a model's images, for one model), and images."""
        classes = self._judge.class_test(Panel(finding.condition, finding.models))
        return classes, examples(self._run, classes)

    def plan(self, requests: Iterable[Cell | Panel]) -> None:
        """Plan what the tests are going to ask for, so that the first of them computes it all in one sweep."""
        self.run_log.plan = self.run_log.plan.extended(Plan.of(requests).cells)

    def open_data(self) -> None:
        """Open the data and the store, once, so that errors in them are reported before any test runs.

        Raises
        ------
        DataError, StoreError, OptionError
            When the data cannot be found, listed, or is empty; the store cannot be used; there is no such device.
        """
        self._predictor.open_data()

    def ensure(self, request: Cell | Panel) -> None:
        """Compute what ``request`` needs, with everything else that the plan still lacks, in one sweep.

        Raises
        ------
        RobustnessError
            When the data cannot be read, or a cell could not be computed (of a panel: none of its models could).
        """
        if self._predictor.ensure(request):
            self._check_answers()
        if isinstance(request, Cell) or not self.run_log.testable(request):
            self.run_log.require(*Plan.of([request]).cells)

    @property
    def report_folder(self) -> str:
        """Where the report goes, as one would type it from here."""
        return short_path(self.options.report)

    def write_reports(self) -> bool:
        """Write the reports of what was computed; return whether that succeeded (`summary` has the error)."""
        try:
            self.run_report = build_report(self._run, self.requests.models, self.requests.conditions)
            if self.run_report is not None:
                report.write_all(self.run_report, self.options.report)
                self._update_baseline()
                report.append_step_summary(self.run_report, os.environ)
        except RobustnessError as error:
            _log.debug("the report could not be written", exc_info=True)
            self._report_error = str(error)
        except Exception:  # re-raising would suppress pytest's own summary
            fault = traceback.format_exc()
            self._report_error = f"The report could not be written, because of a fault of pytest-robustness:\n{fault}"
        return self._report_error is None

    def summary(self, width: int, color: bool) -> str:
        """Return the terminal summary of the run, ``width`` columns wide."""
        if self.run_report is None:
            return f"{self._report_error}\n" if self._report_error else ""
        where = self._report_error or f"Report: {self.report_folder}"
        return report.terminal_text(self.run_report, width, color, os.environ, [where, *self._notes])

    def close(self) -> None:
        """Close the store."""
        self._predictor.close()

    def _keep(self, finding: _Kind) -> _Kind:
        self.findings.append(finding)
        return finding

    def _check_answers(self) -> None:
        """Check what was computed: models at chance level, images that were skipped.

        Raises
        ------
        DataError
            When images were skipped by an earlier run, and this one is not to skip any.
        """
        log, predictions = self.run_log, self._predictions
        for model, message in chance_errors(predictions, log.models).items():
            log.errors |= {cell: message for cell in log.wanted.cells if cell.model == model}
        source, indices = self._predictor.images()
        log.skipped = [source.describe(int(indices[position])) for position in predictions.skipped()]
        if log.skipped and self.options.on_bad_image == "error":
            error = DataError(
                f"{log.skipped[0]} could not be read when the stored results were computed, with "
                f"--robustness-on-bad-image=skip. Remove or replace it, or pass that again."
            )
            log.errors |= dict.fromkeys(log.wanted.cells, str(error))
            raise error

    def _require_comparable(self, bench: JobMaker, conditions: Sequence[Condition]) -> None:
        if self._comparison is not None:
            protocol = self._protocol(bench, conditions)
            self._comparison.require_comparable(protocol, tests=self.options.expect == "baseline")

    def _protocol(self, bench: JobMaker, conditions: Sequence[Condition]) -> baseline.RunProtocol:
        return baseline.RunProtocol.of(bench, conditions, seed=self.options.seed, policy=self._judge.policy)

    def _update_baseline(self) -> None:
        path = self.options.baseline
        if self.options.mode is not RunMode.WRITE or path is None:
            return
        bench, wanted = self._predictor.open_data(), self.run_log.wanted
        written = new_baseline(
            self._protocol(bench, wanted.conditions_of_all()),
            self._predictions,
            self._judge,
            tuple(dict.fromkeys(cell.model for cell in wanted.cells)),
            {model: facts.fingerprint for model, facts in self.run_log.models.items()},
        )
        changed = baseline.write(written, bench.selection.labels, path)
        self._notes.append(f"Baseline: {short_path(path)}{'' if changed else ' (unchanged)'}")


def _settings(options: Options, processes: int, process: int) -> InferenceSettings:
    return InferenceSettings(
        data=options.data,
        limit=options.limit,
        seed=options.seed,
        download=options.download,
        device=options.device,
        precision=options.precision,
        runtime=options.runtime,
        workers=options.workers,
        batch_size=options.batch_size,
        on_bad_image=options.on_bad_image,
        store=options.store,
        processes=processes,
        process=process,
    )


def _policy(options: Options) -> TestPolicy:
    return TestPolicy(options.test, options.alpha, options.correction, options.max_sensitive, options.equivalence)


def _comparison(options: Options, predictions: StoredPredictions) -> BaselineComparison | None:
    """Return the comparison that the options ask for; ``None`` without a baseline, or where one is to be written.

    Raises
    ------
    OptionError
        When options need a baseline and none is named.
    BaselineError
        When the baseline is missing, damaged, or newer than this code, or has no model to compare the candidate with.
    """
    if options.candidate is not None and (options.baseline is None or options.update_baseline):
        raise OptionError(
            "--robustness-candidate compares a model with a baseline: name it with --robustness-baseline=FILE, without "
            "--robustness-update-baseline. To make a baseline, name the model with --robustness-models."
        )
    if options.expect == "baseline" and options.baseline is None:
        raise OptionError("--robustness-expect=baseline needs a baseline: name it with --robustness-baseline=FILE.")
    if options.baseline is None or options.mode is RunMode.WRITE:
        return None
    default = "fail" if os.environ.get("CI") else "skip"
    comparison = BaselineComparison(
        baseline.read(options.baseline),
        options.baseline,
        predictions,
        policy=GatePolicy(options.tolerance, options.alpha, options.gate_correction),
        test_policy=_policy(options),
        inconclusive=_INCONCLUSIVE[options.inconclusive or default],
        counterparts={} if options.candidate is None else {options.candidate: options.baseline_model},
    )
    if options.candidate is not None:
        comparison.counterpart(options.candidate)
    return comparison
