"""Which classes do the models lose under each transform?"""

from __future__ import annotations

from pytest_robustness import Panel, RobustnessSession, assert_robust


def test_classes_are_robust(robustness: RobustnessSession, condition: Panel) -> None:
    """No more classes are sensitive than allowed, and none changed significantly and beyond the margin."""
    assert_robust(robustness.class_test(condition))
