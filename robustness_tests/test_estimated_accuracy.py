"""How accurate is each model on images without labels?"""

from __future__ import annotations

import pytest

from pytest_robustness import Cell, RobustnessSession, assert_robust


@pytest.mark.estimated_accuracy
def test_estimated_accuracy(robustness: RobustnessSession, control_cell: Cell) -> None:
    """The estimate lies above the accuracy on the labelled images, less the margin."""
    assert_robust(robustness.estimated_accuracy(control_cell))
