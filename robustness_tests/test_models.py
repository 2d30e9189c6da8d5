"""Is each model's accuracy the same under each transform as without it?"""

from __future__ import annotations

from pytest_robustness import Cell, RobustnessSession, assert_robust


def test_model_is_robust(robustness: RobustnessSession, cell: Cell) -> None:
    """A t-test over the model's per-class accuracies, control against transform, does not reject."""
    assert_robust(robustness.model_test(cell))
