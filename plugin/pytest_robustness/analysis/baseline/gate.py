"""A run against a baseline: may it be compared, what the gate says of each model, and how a new baseline is made."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis import baseline, statistics, verdicts
from pytest_robustness.analysis.baseline import Baseline, BaselineModel, RunProtocol, require_comparable
from pytest_robustness.analysis.baseline.comparison import compare_models
from pytest_robustness.analysis.baseline.known_findings import Expected, expect
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, PIPELINE_VERSION, Cell, Condition, Panel
from pytest_robustness.errors import BaselineError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_robustness.analysis.baseline.known_findings import Expectation
    from pytest_robustness.analysis.baseline.rule import Change, ClassFall, Estimate, GateResult
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.results import Results
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.plugin.options import Options

_INCONCLUSIVE = {"pass": Outcome.PASS, "fail": Outcome.FAIL, "skip": Outcome.INCONCLUSIVE}


@dataclasses.dataclass(frozen=True)
class GateTest:
    """What the gate says of one model under one condition, control among them.

    ``counterpart`` is the baseline's model. ``beyond_control`` is the change less that of control: it tells a model
    that is weaker everywhere from one that bends more. ``fallen`` lists the classes that fell, worst first.
    ``undecided``: the images were too few to tell, and the verdict is what the options make of that.
    """

    model: str
    counterpart: str
    condition: Condition
    change: Change
    beyond_control: Estimate | None
    fallen: tuple[ClassFall, ...]
    improved: bool
    undecided: bool
    verdict: Verdict


class BaselineGate:
    """Compares the models of this run with those of a baseline.

    Parameters
    ----------
    reference
        The baseline to compare with.
    path
        Where it was read, for messages.
    policy
        When to fail.
    inconclusive
        The outcome of a comparison with too few images to tell.
    counterparts
        The name of the baseline's model for a model of this run, ``None`` for the only one there is. A model that is
        not named here is compared with its namesake.
    """

    def __init__(
        self,
        reference: Baseline,
        path: Path,
        policy: GatePolicy,
        inconclusive: Outcome,
        counterparts: Mapping[str, str | None],
    ) -> None:
        self.conditions = tuple(condition for condition in reference.protocol.transforms if condition != CONTROL)
        self._baseline = reference
        self._path = path
        self._policy = policy
        self._inconclusive = inconclusive
        self._counterparts = counterparts
        self._compared: dict[tuple[str, tuple[Condition, ...]], GateResult] = {}
        self._expectations: dict[str, Expected] = {}

    def require_comparable(self, protocol: RunProtocol, *, tests: bool) -> None:
        """Refuse a baseline of other images, classes, seed or transforms; with ``tests``, of other tests too.

        Raises
        ------
        BaselineError
            It lists every difference.
        """
        require_comparable(self._baseline.protocol, protocol, self._path, tests=tests)

    def counterpart(self, model: str) -> str:
        """Return the name of the baseline's model that ``model`` is compared with.

        Raises
        ------
        BaselineError
            When there is none, or several to choose from.
        """
        name = self._counterparts.get(model, model)
        if name is None and model in self._baseline.models:
            return model
        found = self._baseline.model(name)
        return next(known for known, other in self._baseline.models.items() if other is found)

    def test(self, cell: Cell, family: Sequence[Condition], results: Results) -> GateTest:
        """Compare a model with its counterpart under one condition.

        Parameters
        ----------
        cell
            The model and the condition, control or one of ``family``.
        family
            The conditions that are corrected over together, with control.
        results
            The finished cells: those of the model under control and ``family``.
        """
        counterpart = self.counterpart(cell.model)
        compared = self._compare(cell.model, counterpart, tuple(c for c in family if c != CONTROL), results)
        found = next(change for change in compared.conditions if change.condition == cell.condition)
        return GateTest(
            model=cell.model,
            counterpart=counterpart,
            condition=cell.condition,
            change=found.change,
            beyond_control=found.beyond_control,
            fallen=found.fallen,
            improved=found.improved,
            undecided=found.verdict.outcome is Outcome.INCONCLUSIVE,
            verdict=self._decided(found.verdict),
        )

    def expected_model_test(self, finding: ModelTest, gate: GateTest) -> ModelTest:
        """Return the finding with the verdict that counts where the baseline's is expected: a known one passes."""
        before = self._baseline.model(gate.counterpart).outcomes[finding.condition]
        # What the options make of a comparison that cannot tell concerns the comparison alone: nothing got worse.
        found = expect(before, finding.verdict, None if gate.undecided else gate.verdict)
        return dataclasses.replace(
            finding, verdict=self._remembered(f"{finding.model} under {finding.condition}", found)
        )

    def expected_class_test(self, finding: ClassTest, results: Results) -> ClassTest:
        """Return the finding with the verdict that counts where the baseline's is expected: a known one passes."""
        before = self._class_outcome(Panel(finding.condition, finding.models), results)
        found = expect(before, finding.verdict)
        return dataclasses.replace(finding, verdict=self._remembered(f"the classes under {finding.condition}", found))

    def notes(self) -> list[str]:
        """Return what the expected findings, as far as they were asked for, mean for the baseline itself."""
        passing = sorted(test for test, kind in self._expectations.items() if kind is Expected.NOW_PASSING)
        if not passing:
            return []
        told = f"The baseline can be tightened; what failed there passes now: {', '.join(passing)}."
        return [f"{told} Write it anew with --robustness-update-baseline."]

    def _remembered(self, test: str, found: Expectation) -> Verdict:
        self._expectations[test] = found.kind
        return found.verdict

    def _compare(self, model: str, counterpart: str, family: tuple[Condition, ...], results: Results) -> GateResult:
        if (model, family) not in self._compared:
            answers = {condition: results.answers(Cell(model, condition)) for condition in (CONTROL, *family)}
            self._compared[model, family] = compare_models(
                self._baseline.model(counterpart).answers,
                {condition: correct for condition, (_, correct) in answers.items()},
                labels=results.labels,
                classes=results.names,
                policy=self._policy,
                images=answers[CONTROL][0] & self._baseline.readable,
            )
        return self._compared[model, family]

    def _class_outcome(self, panel: Panel, results: Results) -> Outcome:
        """Return what the class test says of the baseline's own answers."""
        models = [self._baseline.model(self.counterpart(model)) for model in panel.models]
        labels, readable, policy = results.labels, self._baseline.readable, results.policy
        images = np.bincount(labels[readable], minlength=len(results.names))

        def accuracies(condition: Condition) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
            right = [model.answers[condition] & readable for model in models]
            counts = [np.bincount(labels[hits], minlength=len(images)) for hits in right]
            return statistics.accuracies(np.stack(counts), np.broadcast_to(images, (len(counts), len(images)))).T

        if len(models) == 1:
            control, treated = (models[0].answers[c][readable] for c in (CONTROL, panel.condition))
            found = statistics.mcnemar_by_class(control, treated, labels[readable], len(images), alpha=policy.alpha)
        else:
            found = statistics.compare(
                accuracies(CONTROL), accuracies(panel.condition), test=policy.test, alpha=policy.alpha
            )
        tested = [result for result in statistics.adjust(found, policy.correction) if result.n]
        return verdicts.judge_classes(tested, policy.alpha, policy.max_sensitive, policy.correction).outcome

    def _decided(self, judged: Verdict) -> Verdict:
        if judged.outcome is not Outcome.INCONCLUSIVE:
            return judged
        return Verdict(self._inconclusive, f"inconclusive: {judged.reason}")


def new_baseline(
    protocol: RunProtocol,
    results: Results,
    names: Sequence[str],
    fingerprints: Mapping[str, str],
    outcomes: Mapping[Cell, Outcome],
) -> Baseline:
    """Return the baseline that this run makes.

    Parameters
    ----------
    protocol
        Of the run.
    results
        The finished cells.
    names
        The models that were to be judged.
    fingerprints
        Those of the models that could be loaded.
    outcomes
        What the model test of each finished cell says.

    Raises
    ------
    BaselineError
        When a cell is missing: a baseline must hold all that a later run is compared with.
    """
    models = {}
    for name in names:
        cells = [Cell(name, condition) for condition in protocol.transforms]
        missing = [str(cell.condition) for cell in cells if not results.finished(cell)]
        if missing:
            raise BaselineError(f"No baseline was written: {name} has no result under {', '.join(missing)}.")
        models[name] = BaselineModel(
            fingerprint=fingerprints[name],
            answers={cell.condition: results.answers(cell)[1] for cell in cells},
            outcomes={cell.condition: outcomes[cell] for cell in cells if cell.condition != CONTROL},
        )
    if not models:
        raise BaselineError("No baseline was written: this run judged no model.")
    readable = results.answers(Cell(next(iter(models)), CONTROL))[0]
    return Baseline(protocol, readable, models)


def open_gate(options: Options) -> BaselineGate | None:
    """Return the gate that the options ask for; none where there is no baseline, or one is to be written.

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
    if options.baseline is None or options.update_baseline:
        return None
    default = "fail" if os.environ.get("CI") else "skip"
    gate = BaselineGate(
        baseline.read(options.baseline),
        options.baseline,
        GatePolicy(options.tolerance, options.alpha, options.gate_correction),
        _INCONCLUSIVE[options.inconclusive or default],
        {} if options.candidate is None else {options.candidate: options.baseline_model},
    )
    if options.candidate is not None:
        gate.counterpart(options.candidate)
    return gate


def run_protocol(options: Options, bench: JobMaker, conditions: Sequence[Condition]) -> RunProtocol:
    """Return what another run must share with this one to be compared with it, under ``conditions``."""
    return RunProtocol(
        data=bench.selection.source.name,
        dataset=bench.selection.fingerprint,
        images=len(bench.selection.indices),
        classes=tuple(label.name for label in bench.classes),
        seed=options.seed,
        pipeline=PIPELINE_VERSION,
        transforms={condition: bench.transform_key(condition) for condition in conditions},
        tests={
            "test": options.test,
            "alpha": options.alpha,
            "correction": options.correction,
            "equivalence": "none" if options.equivalence is None else options.equivalence,
        },
    )
