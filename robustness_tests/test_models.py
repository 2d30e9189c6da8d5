"""Is each model's accuracy the same under each transform as without it?"""

from __future__ import annotations

from pytest_robustness import Cell, RobustnessSession, assert_robust


def test_model_is_robust(robustness: RobustnessSession, cell: Cell) -> None:
    """The t-test over the classes does not reject, and the images show a change within the margin."""
    assert_robust(robustness.model_test(cell))
