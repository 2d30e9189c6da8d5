"""Answer what tests ask of a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.core.user_code import forget_changed
from pytest_robustness.frontends.session.options.studies import require_study
from pytest_robustness.frontends.session.predicting import Means
from pytest_robustness.frontends.session.reporting import Reporting
from pytest_robustness.frontends.session.requests import Requests, require_transform
from pytest_robustness.frontends.session.run import Run
from pytest_robustness.frontends.session.studies import Studies
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import StudyRequest
from pytest_robustness.models import ModelZoo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_robustness.analysis.findings import ClassTest, Finding, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.core import Cell, Condition, DataSource, Model, Panel, Progress
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.inference.agreement import Agreement
    from pytest_robustness.inference.forecast.forecast import Forecast
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.transforms import Registry


@dataclasses.dataclass(frozen=True)
class Given:
    """Models, by name, and data that a program has already, so that no name need be resolved."""

    models: Mapping[str, Model] = dataclasses.field(default_factory=dict)
    data: DataSource | None = None


_Kind = TypeVar("_Kind", bound="Finding")


class RobustnessSession(Studies, Reporting):
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
    agreement
        What this process computes on, where several share the run.
    given
        Models and data that exist already.

    Attributes
    ----------
    requests
        Resolves the names of models and transforms.
    findings
        What the running test asked for; the plugin clears it between tests.

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
        agreement: Agreement | None = None,
        given: Given = Given(),
    ) -> None:
        self.options = options
        self.findings: list[Finding] = []
        self._agreement = agreement
        forget_changed()
        hashes = FileHashes(options.store.with_suffix(".hashes"))
        own = (options.weights_dir, options.trust_pickle, hashes, given.models, options.clip_templates)
        zoo = ModelZoo(*own, directory=Path.cwd())
        self._progress = progress
        self._run = Run(options, Means(registry, zoo, progress, processes, process, given.data), agreement)
        self.requests = Requests(options, zoo, registry, lambda: self._run.candidate_conditions)

    @property
    def run_log(self) -> RunLog:
        """What this process did."""
        return self._run.log

    @numpy_defaults
    def model_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ModelTest:
        """Test what a transform does to a model: a t-test over its per-class accuracies, and what its images show.

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
        return self._keep(self._run.judge.model_test(cell))

    @numpy_defaults
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
        return self._keep(self._run.judge.class_test(panel))

    @numpy_defaults
    def image_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ImageTest:
        """Test whether a model's answers to the same images change: McNemar's exact test, overall and by class.

        Takes what `model_test` takes and raises what it raises.
        """
        cell = self.requests.cell(model, transform, severity)
        self.ensure(cell)
        self.run_log.imaged[cell] = None
        return self._keep(self._run.judge.image_test(cell))

    @numpy_defaults
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
        self._run.judge.require_baseline()
        # Before it is made: a comparison that cannot be made is an error of the report.
        self.run_log.gated[cell] = None
        return self._keep(self._run.judge.gate_test(cell))

    @numpy_defaults
    def study(self, name: str, subject: Cell | Panel) -> StudyFinding:
        """Answer a study about a cell or a panel; each has a method of its name, which takes names: see `Studies`.

        Raises
        ------
        OptionError
            When there is no such study.
        RobustnessError
            When what it needs cannot be computed.
        """
        require_study(name)
        self.ensure(subject)
        return self._keep(self._run.study(StudyRequest(name, subject)))

    @numpy_defaults
    def plan(self, requests: Iterable[Cell | Panel], studies: Iterable[StudyRequest] = ()) -> None:
        """Plan what the tests are going to ask for, so that the first of them computes it all in one sweep.

        Raises
        ------
        OptionError
            When the options name a severity that no transform has. Now all transforms are registered.
        """
        self.requests.require_severities()
        log, asked = self.run_log, tuple(studies)
        log.plan = log.plan.extended(Plan.of(requests).cells)
        self._run.examiner.plan(asked)
        log.probed = log.probed.extended(
            cell for cell in self._run.examiner.beforehand(asked) if cell not in log.wanted
        )

    @numpy_defaults
    def open_data(self) -> JobMaker:
        """Open the data and the store, once, so that errors in them are reported early: see `Run.open_data`."""
        return self._run.open_data()

    @numpy_defaults
    def ensure(self, request: Cell | Panel) -> None:
        """Compute what ``request`` needs, with everything else that is planned, in one sweep: see `Run.ensure`."""
        self._run.ensure(request)

    @numpy_defaults
    def forecast(self) -> Forecast:
        """Return what computing all that is planned would take, in place of doing it: see `Run.forecast`."""
        return self._run.forecast()

    def note(self, message: str) -> None:
        """Have the controller of xdist show ``message``; it is in the run log, too."""
        self.run_log.notes.append(message)
        if self._agreement is not None:
            self._agreement.say(message)

    def close(self) -> None:
        """Close the store."""
        self._run.close()

    def _keep(self, finding: _Kind) -> _Kind:
        self.findings.append(finding)
        return finding
