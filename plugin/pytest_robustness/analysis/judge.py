"""The judge: what the finished cells say, in the light of the baseline where its findings are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from pytest_robustness.analysis.baseline.gate import BaselineGate, GateTest
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.results import Results
    from pytest_robustness.core import Cell, Panel
    from pytest_robustness.inference.run_log import Ledger


class Judge:
    """Makes findings.

    Parameters
    ----------
    gate
        Compares with a baseline, where one is named.
    ledger
        What was computed: it decides what is corrected over together.
    expect_baseline
        Whether what failed in the baseline, and is not shown to be worse now, passes.
    """

    def __init__(self, gate: BaselineGate | None, ledger: Ledger, *, expect_baseline: bool) -> None:
        self._gate = gate
        self._expected = gate if expect_baseline else None
        self._ledger = ledger

    def model_test(self, cell: Cell, results: Results) -> ModelTest:
        """Judge one model under one condition."""
        found = results.model_test(cell.model, cell.condition, self._ledger.models_beside(cell))
        if self._expected is None:
            return found
        return self._expected.expected_model_test(found, self.gate_test(cell, results))

    def class_test(self, panel: Panel, results: Results) -> ClassTest:
        """Judge the classes under one condition, over the models of ``panel``."""
        found = results.class_test(panel)
        return found if self._expected is None else self._expected.expected_class_test(found, results)

    def gate_test(self, cell: Cell, results: Results) -> GateTest:
        """Judge one model under one condition against the baseline.

        Raises
        ------
        OptionError
            When there is no baseline to compare with.
        """
        if self._gate is None:
            raise OptionError("There is no baseline to compare with. Name one with --robustness-baseline=FILE.")
        return self._gate.test(cell, self._ledger.conditions_beside(cell), results)

    def notes(self) -> tuple[str, ...]:
        """Return what the findings so far mean for the baseline itself."""
        return () if self._gate is None else tuple(self._gate.notes())
