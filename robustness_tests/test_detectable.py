"""Can models tell transformed images from others?"""

from __future__ import annotations

import pytest

from pytest_robustness import Cell, Panel, RobustnessSession, assert_robust

pytestmark = pytest.mark.detectable


def test_detectable(robustness: RobustnessSession, cell: Cell) -> None:
    """Neither a model's confidence nor its answers tell transformed images from others."""
    assert_robust(robustness.detectable(cell))


def test_detectable_by_all(robustness: RobustnessSession, condition: Panel) -> None:
    """Neither do the confidences, nor the answers, of all models together; left out where there is one."""
    assert_robust(robustness.detectable(condition))
