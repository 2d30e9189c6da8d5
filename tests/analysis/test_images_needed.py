"""As many images as are said to be needed suffice for a verdict, and fewer do not."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.images_needed import assumed_needed
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.statistics.paired_change import PairedChange, interval


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("margin", [1.0, 2.0, 10.0])
def test_the_interval_lies_within_the_margin_from_as_many_images_on(share, margin):
    needed = assumed_needed(share, TestPolicy(margin=margin))

    def widest(images):
        half = np.array([share / 2])
        return 100 * float(interval(PairedChange(half, half, np.array([images])), 0.05)[1][0])

    assert widest(1.02 * needed) < margin
    assert widest(0.98 * needed) > margin
