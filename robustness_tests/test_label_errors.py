"""Which images are labelled wrongly? Collected where it is asked for."""

from __future__ import annotations

import pytest

from pytest_robustness import RobustnessSession, assert_robust


@pytest.mark.label_errors
def test_no_label_errors(robustness: RobustnessSession) -> None:
    """No image is listed that the models agree to be of another class than its label says."""
    assert_robust(robustness.label_errors())
