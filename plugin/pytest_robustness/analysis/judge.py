"""Make every finding of a run, considering the baseline where its findings are expected."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from pytest_robustness.analysis.checks import vacuous
from pytest_robustness.analysis.class_test import class_test, without
from pytest_robustness.analysis.image_test import image_test
from pytest_robustness.analysis.lost_images import lost_images
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.core.errors import BaselineError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.baseline.comparison import BaselineComparison
    from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.image_names import ImageNames
    from pytest_robustness.inference.run_log import RunLog

_log = logging.getLogger(__name__)


class Judge:
    """Makes the findings of a run from its stored predictions.

    Parameters
    ----------
    predictions
        The finished cells.
    run_log
        What was planned and computed: it decides which tests are corrected together.
    policy
        How to test, and when to fail.
    comparison
        Compares with a baseline, where one is named.
    expect_baseline
        Whether a finding that the baseline has too, and that is not shown to be worse now, passes.
    names
        Names the images that a candidate lost.
    """

    def __init__(
        self,
        predictions: StoredPredictions,
        run_log: RunLog,
        policy: TestPolicy,
        comparison: BaselineComparison | None,
        *,
        expect_baseline: bool,
        names: ImageNames | None = None,
    ) -> None:
        self._predictions = predictions
        self._run_log = run_log
        self.policy = policy
        self._comparison = comparison
        self._names = names
        self._expected = comparison if expect_baseline else None
        self._vacuous: dict[str, str] = {}
        self._families: dict[tuple[Condition, frozenset[str]], dict[str, ModelTest]] = {}

    def model_test(self, cell: Cell) -> ModelTest:
        """Test what one condition does to one model."""
        self._run_log.require(*pair(cell.model, cell.condition))
        finding = self._family(cell)[cell.model]
        if self._expected is None:
            return finding
        return self._expected.expected_model_test(finding, self._compared(self._expected, cell))

    def class_test(self, panel: Panel) -> ClassTest:
        """Test which classes are sensitive to the panel's condition, over those of its models that can be judged.

        Raises
        ------
        ModelError, BaselineError
            When none can be: the reason of the first.
        """
        log = self._run_log
        run = tuple(model for model in panel.models if log.finished(*pair(model, panel.condition)))
        models = tuple(model for model in run if not self.unexpected(model))
        left_out = tuple(model for model in panel.models if model not in models)
        if not models:
            log.require(*pair(left_out[0], panel.condition))
            raise BaselineError(self.unexpected(left_out[0]))
        finding = class_test(self._predictions, Panel(panel.condition, models), self.policy, left_out)
        if self._expected is None:
            return finding
        found = self._expected.expected_class_test(finding)
        return dataclasses.replace(found, verdict=without(left_out, found.verdict))

    def unexpected(self, model: str) -> str:
        """Return why the findings of ``model`` cannot be compared with those that the baseline has; empty if they can.

        They can where no baseline's findings are expected.
        """
        if self._expected is None:
            return ""
        try:
            self._expected.counterpart(model)
        except BaselineError as error:
            _log.debug("%s has no counterpart", model, exc_info=True)
            return str(error)
        return ""

    def image_test(self, cell: Cell) -> ImageTest:
        """Test whether one model's answers to the same images change under one condition."""
        self._run_log.require(*pair(cell.model, cell.condition))
        found = image_test(self._predictions, cell, self.policy)
        return dataclasses.replace(found, verdict=self.with_skill(cell.model, found.verdict))

    def with_skill(self, model: str, verdict: Verdict) -> Verdict:
        """Return a verdict on what ``model`` loses, which is no PASS where the model is no better than guessing."""
        if verdict.outcome is not Outcome.PASS or self.policy.guessing_passes:
            return verdict
        if model not in self._vacuous:
            self._vacuous[model] = vacuous(self._predictions, model)
        why = self._vacuous[model]
        return Verdict(Outcome.INCONCLUSIVE, f"{verdict.reason}; but {why}") if why else verdict

    def require_baseline(self) -> BaselineComparison:
        """Return what compares with the baseline.

        Raises
        ------
        OptionError
            When there is no baseline to compare with.
        """
        if self._comparison is None:
            raise OptionError("There is no baseline to compare with. Name one with --robustness-baseline=FILE.")
        return self._comparison

    def gate_test(self, cell: Cell) -> GateTest:
        """Test whether one model is less robust than the baseline's under one condition.

        Raises
        ------
        OptionError
            When there is no baseline to compare with.
        BaselineError
            When the baseline has no model to compare with.
        """
        comparison = self.require_baseline()
        lost = lost_images(self._predictions, cell, comparison.right_before(cell), self._names)
        churn = comparison.churn(cell, self._predictions.outputs(cell))
        found = dataclasses.replace(self._compared(comparison, cell), lost_images=lost, churn=churn)
        if found.verdict.outcome is not Outcome.PASS:
            return found
        # Accuracy may stay where every answer changes: a pass says how many did.
        return dataclasses.replace(found, verdict=Verdict(Outcome.PASS, f"{found.verdict.reason}; {churn.text()}"))

    def baseline_notes(self) -> tuple[str, ...]:
        """Return what to know of the comparison with a baseline as a whole: on how many images it is made."""
        return () if self._comparison is None else self._comparison.notes()

    def baseline_warnings(self, judged: Iterable[Condition]) -> tuple[str, ...]:
        """Return what the comparison with a baseline leaves out in a run on the conditions ``judged``."""
        return () if self._comparison is None else self._comparison.warnings(judged)

    def _compared(self, comparison: BaselineComparison, cell: Cell) -> GateTest:
        found = comparison.test(cell, self._run_log.gate_family(cell))
        if self.policy.guessing_passes or found.verdict.outcome is Outcome.FAIL:
            return found
        control = Cell(cell.model, CONTROL)
        return comparison.with_skill(found, self._predictions.outputs(control))

    def _checked(self, finding: ModelTest) -> ModelTest:
        verdict = self.with_skill(finding.model, finding.verdict)
        return dataclasses.replace(finding, found=verdict.outcome, verdict=verdict)

    def _family(self, cell: Cell) -> dict[str, ModelTest]:
        """Return the tests of the family of ``cell``, corrected together; they are made once."""
        condition, log = cell.condition, self._run_log
        models = frozenset(
            model for model in (cell.model, *log.model_family(cell)) if log.finished(*pair(model, condition))
        )
        if (condition, models) not in self._families:
            found = model_tests(self._predictions, sorted(models), condition, self.policy)
            self._families[condition, models] = {model: self._checked(finding) for model, finding in found.items()}
        return self._families[condition, models]
