"""May this digit reader ship? Each test runs once for every model and condition that ``pyproject.toml`` names."""

from __future__ import annotations

from pytest_robustness import Cell, RobustnessSession, assert_robust


def test_is_as_robust_as_the_baseline(robustness: RobustnessSession, gate_cell: Cell) -> None:
    """The same images exclude that accuracy fell by the tolerance or more."""
    assert_robust(robustness.gate_test(gate_cell))


def test_is_robust(robustness: RobustnessSession, cell: Cell) -> None:
    """Accuracy is shown to stay within the margin, but where it did not in the baseline already: a known finding."""
    assert_robust(robustness.model_test(cell))
