"""Is a model at least as robust as the one in the baseline? Collected where a baseline is named."""

from __future__ import annotations

from pytest_robustness import Cell, RobustnessSession, assert_robust


def test_is_as_robust_as_baseline(robustness: RobustnessSession, gate_cell: Cell) -> None:
    """On the same images, accuracy has not fallen by more than the tolerance, in control or under a transform."""
    assert_robust(robustness.gate_test(gate_cell))
