"""Is each model's accuracy the same under each transform as without it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness import Cell, assert_robust

if TYPE_CHECKING:
    from pytest_robustness.session import RobustnessSession


def test_model_is_robust(robustness: RobustnessSession, cell: Cell) -> None:
    """A t-test over the model's per-class accuracies, control against transform, does not reject."""
    assert_robust(robustness.model_test(cell))
