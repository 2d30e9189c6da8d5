"""The change averaged over the models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.predictions import Counts
from pytest_robustness.core import CONTROL, Cell, Condition

VFLIP = Condition("vflip")


def test_the_average_change_has_the_interval_of_a_paired_test():
    n = np.array([50, 50])
    right = {"a": (80, 60), "b": (90, 85), "c": (70, 40)}
    counts = {}
    for model, (control, treated) in right.items():
        counts[Cell(model, CONTROL)] = Counts(n, np.array([control - 40, 40]))
        counts[Cell(model, VFLIP)] = Counts(n, np.array([treated - 40, 40]))
    counts[Cell("alone", VFLIP)] = Counts(n, n)
    (found,) = average_changes(counts).values()
    expected = stats.ttest_rel([60, 85, 40], [80, 90, 70])
    interval = expected.confidence_interval(0.95)
    assert (found.n, found.difference) == (3, pytest.approx(-55 / 3))
    assert (found.ci_low, found.ci_high) == (pytest.approx(interval.low), pytest.approx(interval.high))
