"""The only wiring, and what tests ask: options -> computation -> judge -> view -> reports."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, TypeVar

from pytest_robustness import data
from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.baseline.gate import new_baseline, open_gate, run_protocol
from pytest_robustness.analysis.findings import ClassTest, ImageTest, ModelTest
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.core import CONTROL, Cell, Condition, Panel, Progress
from pytest_robustness.core.files import short_path
from pytest_robustness.errors import OptionError, RobustnessError
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.predictor import Computation
from pytest_robustness.inference.run_log import Ledger
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.presets import PRESETS
from pytest_robustness.report.build import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_robustness.analysis.baseline.gate import GateTest
    from pytest_robustness.analysis.findings import Finding
    from pytest_robustness.analysis.results import Results
    from pytest_robustness.inference.bench import Bench
    from pytest_robustness.plugin.options import Options
    from pytest_robustness.report.gallery import Exhibit
    from pytest_robustness.report.run_report import View
    from pytest_robustness.transforms import Registry

_DEFAULT_MODELS = {"digits": "digits12", "imagenet": "imagenet12", "imagenette": "imagenet12"}
_DEFAULT_SEVERITY = 3

_Found = TypeVar("_Found", bound="Finding | GateTest")


class RobustnessSession:
    """What tests ask for results; made once a robustness test is collected.

    Parameters
    ----------
    options
        What the user asked for.
    registry
        The known transforms.
    progress
        Makes what tells how far a sweep is.
    processes
        How many processes like this one share the machine.
    process
        Which of them this is, from 0: they take the GPUs in turn.

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
        self.ledger = Ledger()
        self._registry = registry
        self._zoo = ModelZoo(weights_dir=options.weights_dir, trust_pickle=options.trust_pickle)
        data.check(options.data)
        self._gate = open_gate(options)
        named = options.models if options.candidate is None else (options.candidate,)
        named = named or _default_models(options.data)
        # None where the data has none of its own and none are named: then tests must name theirs.
        self.models = self.expand_models(named) if named else ()
        self.conditions = self.expand_conditions(options.transforms or self._default_transforms())
        self._computation = Computation(
            options,
            registry,
            self._zoo,
            self.ledger,
            progress=progress,
            check=self._require_comparable,
            processes=processes,
            process=process,
        )
        self._judge = Judge(self._gate, self.ledger, expect_baseline=options.expect == "baseline")
        self._viewer = Viewer(self.ledger, self._computation, self._judge, registry, options.seed)
        self._view: View | None = None
        self._report_error: str | None = None
        self._notes: list[str] = []
        # What the running test asked for; the plugin empties it between tests.
        self.findings: list[Finding | GateTest] = []

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
        cell = self._cell(model, transform, severity)
        _require_transform(cell.condition)
        results = self.ensure(cell)
        self.ledger.tests[cell] = None
        return self._told(self._judge.model_test(cell, results))

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
        if isinstance(transform, Panel):
            panel = transform
        else:
            names = self.require_models() if models is None else self.expand_models(models)
            panel = Panel(self._condition(transform, severity), names)
        _require_transform(panel.condition)
        results = self.ensure(panel)
        self.ledger.tests[panel] = None
        return self._told(self._judge.class_test(panel, results))

    def image_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ImageTest:
        """Test whether a model's answers on the same images change: McNemar's exact test, overall and by class.

        Takes what `model_test` takes and raises what it raises.
        """
        cell = self._cell(model, transform, severity)
        return self._told(self.ensure(cell).image_test(cell.model, cell.condition))

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
        cell = self._cell(model, transform, severity)
        results = self.ensure(cell)
        found = self._judge.gate_test(cell, results)
        self.ledger.gated[cell] = None
        return self._told(found)

    def witnesses(self, finding: Finding) -> tuple[ClassTest, tuple[Exhibit, ...]]:
        """Return what shows a finding: the test of every class (over a model's images, for one model), and images."""
        if isinstance(finding, ClassTest):
            classes = finding
        else:
            classes = self._computation.results.class_test(Panel(finding.condition, (finding.model,)))
        return classes, self._viewer.exhibits(classes)

    def figures(self) -> list[tuple[str, object]]:
        """Return the figures of what the running test asked for, as names and values."""
        from pytest_robustness.report.junit import figures

        return [figure for finding in self.findings for figure in figures(finding)]

    def require_models(self) -> tuple[str, ...]:
        """Return the models of the options, for a test that names none.

        Raises
        ------
        OptionError
            When there are none.
        """
        if not self.models:
            raise OptionError(
                f"Which models are to be judged on {self.options.data}? Name them with --robustness-models; "
                f"only {', '.join(sorted(_DEFAULT_MODELS))} have models of their own."
            )
        return self.models

    def expand_models(self, names: str | Sequence[str]) -> tuple[str, ...]:
        """Return ``names`` with presets expanded and every name checked; there must be one at least.

        Raises
        ------
        OptionError
            When a name is not known, or means ImageNet's model where the data is the embedded digits.
        """
        found = self._zoo.expand(_some("models", names))
        if self.options.data == "digits":
            for name in found:
                own = f"digits:{name}"
                if own in PRESETS["digits12"]:
                    raise OptionError(
                        f"{name!r} is torchvision's model, for ImageNet. On the embedded digits say {own!r}."
                    )
        return found

    def expand_conditions(self, transforms: str | Sequence[str]) -> tuple[Condition, ...]:
        """Return each of ``transforms``, of which there must be one at least, at each severity of the options."""
        return self._registry.conditions(_some("transforms", transforms), self.options.severity)

    def expect(self, requests: Iterable[Cell | Panel]) -> None:
        """Plan what tests are going to ask for, so that the first of them computes it all in one sweep."""
        self.ledger.plan = self.ledger.plan.extended(Plan.of(requests).cells)

    def open_data(self) -> Bench:
        """Open the data and the store, once, so that what is wrong with them is said before any test runs.

        Raises
        ------
        DataError, StoreError, OptionError
            When the data cannot be found, listed, or is empty; the store cannot be used; there is no such device.
        """
        return self._computation.open_data()

    def ensure(self, request: Cell | Panel) -> Results:
        """Compute what ``request`` needs, with everything else that the plan still lacks, in one sweep.

        Raises
        ------
        RobustnessError
            When the data cannot be read, or a cell could not be computed (of a panel: none of its models could).
        """
        return self._computation.ensure(request)

    @property
    def report_folder(self) -> str:
        """Where the report goes, as one would type it from here."""
        return short_path(self.options.report)

    def report(self) -> bool:
        """Write the report of what was computed; return whether that went well (`summary` says what did not)."""
        from pytest_robustness.report import github, markdown, tables
        from pytest_robustness.report.page import render

        try:
            self._view = self._viewer.view(self.models, self.conditions)
            if self._view is not None:
                tables.write(self._view, self.options.report)
                render.write(self._view, self.options.report)
                markdown.write(self._view, self.options.report)
                self._update_baseline()
                github.append_summary(markdown.render(self._view), os.environ)
        except RobustnessError as error:
            self._report_error = str(error)
        except Exception:  # raised on, it would take all that pytest has to say of the run with it
            fault = traceback.format_exc()
            self._report_error = f"The report could not be made, through a fault of pytest-robustness:\n{fault}"
        return self._report_error is None

    @property
    def view(self) -> View | None:
        """What the report shows; ``None`` before it is written, or where nothing was tested."""
        return self._view

    def summary(self, width: int, color: bool) -> str:
        """Return the terminal summary of the report, ``width`` columns wide."""
        from pytest_robustness.report import github, terminal

        if self._view is None:
            return f"{self._report_error}\n" if self._report_error else ""
        told = self._view.provenance
        ran = [f"Models ran on {told['device']} with {told['runtime']}."] if told["runtime"] else []
        where = self._report_error or f"Report: {self.report_folder}"
        commands = github.error_commands(self._view, os.environ)
        return "\n".join([terminal.render(self._view, width, color), *ran, where, *self._notes, *commands, ""])

    def _told(self, finding: _Found) -> _Found:
        self.findings.append(finding)
        return finding

    def close(self) -> None:
        """Close the store."""
        self._computation.close()

    def _require_comparable(self, bench: Bench, conditions: Sequence[Condition]) -> None:
        if self._gate is not None:
            protocol = run_protocol(self.options, bench, conditions)
            self._gate.require_comparable(protocol, tests=self.options.expect == "baseline")

    def _update_baseline(self) -> None:
        options, ledger = self.options, self.ledger
        if not options.update_baseline or options.baseline is None:
            return
        bench, wanted, results = self.open_data(), ledger.wanted, self._computation.results
        # All are judged, not only those that tests asked for: a later run may ask for any.
        judged = [cell for cell in wanted.cells if cell.condition != CONTROL and ledger.judged(cell)]
        made = new_baseline(
            run_protocol(options, bench, wanted.conditions_of_all()),
            results,
            tuple(dict.fromkeys(cell.model for cell in wanted.cells)),
            {model: facts["fingerprint"] for model, facts in ledger.models.items()},
            {cell: self._judge.model_test(cell, results).verdict.outcome for cell in judged},
        )
        changed = baseline.write(made, bench.selection.labels, options.baseline)
        self._notes.append(f"Baseline: {short_path(options.baseline)}{'' if changed else ' (unchanged)'}")

    def _cell(self, model: str | Cell, transform: str | Condition, severity: int | None) -> Cell:
        if isinstance(model, Cell):
            return model
        names = self.expand_models([model])
        if len(names) != 1:
            raise OptionError(f"{model!r} is a preset of {len(names)} models; name one model.")
        return Cell(names[0], self._condition(transform, severity))

    def _default_transforms(self) -> Sequence[str]:
        """Return every transform; for a candidate, those that its baseline has."""
        if self.options.candidate is None or self._gate is None:
            return self._registry.names()
        return list(dict.fromkeys(condition.transform for condition in self._gate.conditions))

    def _condition(self, transform: str | Condition, severity: int | None) -> Condition:
        if isinstance(transform, Condition):
            return transform
        if transform == CONTROL.transform:
            return CONTROL
        levels = self.options.severity
        default = levels[0] if len(levels) == 1 else _DEFAULT_SEVERITY
        return self._registry.conditions([transform], [default if severity is None else severity])[0]


def _require_transform(condition: Condition) -> None:
    if condition == CONTROL:
        raise OptionError("control is what transforms are compared with. Name a transform.")


def _some(what: str, names: str | Sequence[str]) -> Sequence[str]:
    """Return ``names``, of which there must be one at least; a single text is one name."""
    if isinstance(names, str):
        return [names]
    if not names:
        raise OptionError(f"{what}=[] names none. Name one at least, or leave {what} out for those of the options.")
    return names


def _default_models(spec: str) -> tuple[str, ...]:
    preset = _DEFAULT_MODELS.get(spec.partition(":")[0])
    return () if preset is None else (preset,)
