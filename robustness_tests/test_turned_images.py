"""Is an image of the data upside down, on its side or mirrored by accident?"""

from __future__ import annotations

import pytest

from pytest_robustness import RobustnessSession, assert_robust


@pytest.mark.turned_images
def test_no_turned_images(robustness: RobustnessSession) -> None:
    """No image is understood better turned than as it is stored, at the precision that a list must have."""
    assert_robust(robustness.turned_images())
