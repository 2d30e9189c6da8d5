"""Does each exported model give the answers of the model that it was exported from?"""

from __future__ import annotations

import pytest

from pytest_robustness import Cell, RobustnessSession, assert_robust


@pytest.mark.parity
def test_parity(robustness: RobustnessSession, exported_cell: Cell) -> None:
    """The images show that no larger a share than the margin is answered otherwise."""
    assert_robust(robustness.parity(exported_cell))
