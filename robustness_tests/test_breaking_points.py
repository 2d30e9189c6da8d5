"""How far can a transform go before each model's accuracy falls by more than the margin?"""

from __future__ import annotations

import pytest

from pytest_robustness import Cell, RobustnessSession, assert_robust


@pytest.mark.breaking_point
def test_breaking_point(robustness: RobustnessSession, levelled_cell: Cell) -> None:
    """Accuracy has not fallen by more than the margin before the level of the severity."""
    assert_robust(robustness.breaking_point(levelled_cell))
