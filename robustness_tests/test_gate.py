"""Is a model at least as robust as the one in the baseline? Collected where a baseline is named."""

from __future__ import annotations

from pytest_robustness import Cell, RobustnessSession, assert_robust


def test_is_as_robust_as_baseline(robustness: RobustnessSession, gate_cell: Cell) -> None:
    """The same images exclude a fall by the tolerance or more, and no class fell significantly beyond its own."""
    assert_robust(robustness.gate_test(gate_cell))
