"""May this digit reader ship? Each test runs once for every model and condition that ``pyproject.toml`` names."""

from __future__ import annotations

from pytest_robustness import Cell, RobustnessSession, assert_robust


def test_is_as_robust_as_the_baseline(robustness: RobustnessSession, gate_cell: Cell) -> None:
    """On the same images, accuracy has not fallen by more than the tolerance."""
    assert_robust(robustness.gate_test(gate_cell))


def test_is_robust(robustness: RobustnessSession, cell: Cell) -> None:
    """A transform does not change accuracy, but where it did so in the baseline already: a known finding."""
    assert_robust(robustness.model_test(cell))
