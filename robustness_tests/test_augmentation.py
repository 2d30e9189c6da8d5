"""Which transforms should the models be trained with, class by class? Collected where it is asked for."""

from __future__ import annotations

import pytest

from pytest_robustness import RobustnessSession, assert_robust


@pytest.mark.augmentation
def test_augmentation(robustness: RobustnessSession) -> None:
    """No class falls under a transform; ``augmentations.yaml`` says what to train those with that do."""
    assert_robust(robustness.augmentation())
