"""Compare the models of a run with those of a baseline, on the same images."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_robustness.analysis.baseline.apart import fallen_apart
from pytest_robustness.analysis.baseline.candidate import compare_models
from pytest_robustness.analysis.baseline.class_comparison import compare_classes
from pytest_robustness.analysis.baseline.comparable import lacking, require_comparable, unjudged
from pytest_robustness.analysis.baseline.growth import class_growth, model_growth
from pytest_robustness.analysis.baseline.growth_apart import (
    ChangesApart,
    class_falls_apart,
    class_growth_apart,
    model_growth_apart,
)
from pytest_robustness.analysis.baseline.known_findings import expect
from pytest_robustness.analysis.baseline.shared_answers import SharedAnswers
from pytest_robustness.analysis.baseline.skill import held_back
from pytest_robustness.analysis.baseline.uncompared import uncompared
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.findings import GateTest, SharedImages
from pytest_robustness.analysis.image_evidence import model_changes, panel_changes
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers import ImageSet, RunProtocol
    from pytest_robustness.analysis.answers.churn import AnswerChurn
    from pytest_robustness.analysis.baseline.baseline import Baseline
    from pytest_robustness.analysis.baseline.rule import CandidateComparison, GatePolicy
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource, Outputs
    from pytest_robustness.core import Condition


class BaselineComparison:
    """Compares the models of this run with those of a baseline.

    Parameters
    ----------
    baseline
        The baseline to compare with.
    path
        Where it was read, for messages.
    source
        The answers of this run.
    images
        Returns the images of this run, in the order of the answers.
    policy, test_policy
        When the comparison fails; how the tests of models and classes are made and judged.
    inconclusive
        The outcome of a comparison with too few images to decide.
    counterparts
        The name of the baseline's model for a model of this run, ``None`` for the baseline's only model. A model that
        is not listed is compared with its namesake.
    asked
        Returns the transforms that a run without a baseline would ask for: it is said which of them are not compared.
    """

    def __init__(
        self,
        baseline: Baseline,
        path: Path,
        source: AnswerSource,
        images: Callable[[], ImageSet],
        *,
        policy: GatePolicy,
        test_policy: TestPolicy,
        inconclusive: Outcome,
        counterparts: Mapping[str, str | None],
        asked: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.conditions = tuple(condition for condition in baseline.protocol.transforms if condition != CONTROL)
        self._baseline = baseline
        self._path = path
        self._source = source
        self._images = images
        self._policy = policy
        self._test_policy = test_policy
        self._inconclusive = inconclusive
        self._counterparts = counterparts
        self._asked = asked
        self._compared: dict[tuple[str, tuple[Condition, ...]], CandidateComparison] = {}

    def require_comparable(self, protocol: RunProtocol, *, tests: bool) -> None:
        """Refuse a baseline without an image of this run, of another seed or transform; with ``tests``, of other tests.

        Raises
        ------
        BaselineError
            It lists every difference.
        """
        require_comparable(self._baseline.protocol, protocol, self._shared.overlap, self._path, tests=tests)

    def notes(self) -> tuple[str, ...]:
        """Return how many images are compared, in a sentence; nothing where baseline and run have the same."""
        return tuple(filter(None, [self._shared.overlap.text()]))

    def warnings(self, judged: Iterable[Condition]) -> tuple[str, ...]:
        """Return what is not compared: transforms that the baseline lacks, conditions not ``judged``, classes."""
        protocol = self._baseline.protocol
        classes = uncompared(self._shared.overlap, len(protocol.transforms), self._policy.alpha)
        return (*lacking(protocol, self._asked()), *unjudged(protocol, judged), *classes)

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
        counterpart = self._baseline.model(name)
        return next(known for known, other in self._baseline.models.items() if other is counterpart)

    def test(self, cell: Cell, family: Sequence[Condition]) -> GateTest:
        """Compare a model with its counterpart under one condition.

        Parameters
        ----------
        cell
            The model and the condition, control or one of ``family``. It and the model's cells under control and
            ``family`` are finished.
        family
            The conditions whose comparisons are corrected together, with control.
        """
        counterpart, overlap = self.counterpart(cell.model), self._shared.overlap
        compared = self._compare(cell.model, counterpart, tuple(c for c in family if c != CONTROL))
        comparison = next(one for one in compared.conditions if one.condition == cell.condition)
        return GateTest(
            model=cell.model,
            counterpart=counterpart,
            condition=cell.condition,
            result=comparison.result,
            change=comparison.evidence.change,
            p_worse=comparison.evidence.p_worse,
            p_kept=comparison.evidence.p_kept,
            beyond_control=comparison.beyond_control,
            fallen=comparison.fallen,
            broken=comparison.broken,
            unshown=comparison.unshown,
            blind=comparison.blind,
            withheld=comparison.withheld,
            apart=comparison.apart,
            improved=comparison.improved,
            undecided=comparison.verdict.outcome is Outcome.INCONCLUSIVE,
            shared=SharedImages(overlap.both, overlap.only_before, overlap.only_now),
            verdict=self._decided(comparison.verdict),
            fell=comparison.evidence.p_worse < self._policy.alpha,
        )

    def with_skill(self, found: GateTest, now: Outputs) -> GateTest:
        """Return ``found``, no FAIL, as no pass where its model, that answers ``now`` in control, lost its skill."""
        before, labels = self._baseline.model(found.counterpart), self._source.labels_of(found.model)
        return held_back(found, self._shared.skill_lost(found.model, before, now, labels), self._decided)

    def right_before(self, cell: Cell) -> NDArray[np.bool_]:
        """Return which images of this run the counterpart of the cell's model got right, copies once: bool [N]."""
        right = self._shared.right(self._baseline.model(self.counterpart(cell.model)), cell.condition)
        return right & self._shared.overlap.compared

    def churn(self, cell: Cell, now: Outputs) -> AnswerChurn:
        """Count which answers to the images of both are others than those of the cell's counterpart."""
        counterpart = self._baseline.model(self.counterpart(cell.model))
        return self._shared.churn(counterpart, cell.condition, now, self._source.labels_of(cell.model))

    def expected_model_test(self, finding: ModelTest, gate: GateTest) -> ModelTest:
        """Return the finding with the verdict that counts where the baseline's is expected: a known one passes."""
        model = self._baseline.model(gate.counterpart)
        names, policy, models = self._source.class_names, self._policy, {finding.model: model}
        known = panel_changes(self._shared.of_models(models, self._source), Panel(finding.condition, (finding.model,)))
        (change,) = model_changes([known], len(names), alpha=policy.alpha, margin=policy.tolerance)
        grown = model_growth(finding, change, gate.beyond_control, policy)
        apart = ""
        if finding.failed:
            changes = ChangesApart.of(self._shared, models, finding, self._source)
            apart = model_growth_apart(finding, change, changes, self._policy.of_many(len(self.conditions)), len(names))
        # An inconclusive comparison never makes a known finding worse, whatever --robustness-inconclusive says.
        verdict = None if gate.undecided else gate.verdict
        before = model.outcomes[finding.condition]
        undecided = self._withheld(gate.withheld, apart)
        found = expect(before, finding.verdict, verdict, grown, undecided, gate.result.n)
        return dataclasses.replace(finding, verdict=found.verdict, expected=found.expected)

    def expected_class_test(self, finding: ClassTest) -> ClassTest:
        """Return the finding with the verdict that counts where the baseline's is expected: a known one passes."""
        models = {model: self._baseline.model(self.counterpart(model)) for model in finding.models}
        known = self._shared.of_models(models, self._source)
        before = class_test(known, Panel(finding.condition, finding.models), self._test_policy)
        sources = self._shared.compared(models, self._source)
        grown = class_growth(finding, before, sources, self._policy, self._test_policy)
        gate = compare_classes(sources, finding, self._policy)
        strict = self._policy.of_many(len(self.conditions) * len(models))
        reasons = [gate.withheld, class_falls_apart(self._shared, models, finding, self._source, strict)]
        if finding.verdict.outcome is Outcome.FAIL:
            changes = ChangesApart.of(self._shared, models, finding, self._source)
            reasons.append(class_growth_apart(finding, before, changes, strict, self._source.class_names))
        undecided = self._withheld(*reasons)
        found = expect(before.verdict.outcome, finding.verdict, gate.fallen, grown, undecided, gate.images)
        own = finding.verdict.outcome
        return dataclasses.replace(finding, verdict=found.verdict, expected=found.expected, found=own)

    def _compare(self, model: str, counterpart: str, family: tuple[Condition, ...]) -> CandidateComparison:
        """Compare a model under control and all of ``family``, once."""
        if (model, family) not in self._compared:
            answers = {condition: self._source.answers(Cell(model, condition)) for condition in (CONTROL, *family)}
            before = self._baseline.model(counterpart)
            names = self._source.class_names
            self._compared[model, family] = compare_models(
                {condition: self._shared.right(before, condition) for condition in answers},
                {condition: given.correct for condition, given in answers.items()},
                labels=self._source.labels_of(model),
                classes=names,
                policy=self._policy,
                images=answers[CONTROL].readable & self._shared.readable & self._shared.overlap.compared,
                apart=fallen_apart(self._shared, before, answers, names, self._policy),
            )
        return self._compared[model, family]

    @cached_property
    def _shared(self) -> SharedAnswers:
        return SharedAnswers(self._baseline, self._images())

    def _withheld(self, *reasons: str) -> Verdict | None:
        reason = "; ".join(filter(None, reasons))
        return self._decided(Verdict(Outcome.INCONCLUSIVE, reason)) if reason else None

    def _decided(self, verdict: Verdict) -> Verdict:
        if verdict.outcome is not Outcome.INCONCLUSIVE:
            return verdict
        return Verdict(self._inconclusive, f"inconclusive: {verdict.reason}")
