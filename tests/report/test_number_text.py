"""A figure is printed as one text, however it was computed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.verdicts import points_in_words as points_of_a_reason
from pytest_robustness.report.number_text import fine_points, percent, points, points_text


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_a_change_is_printed_alike_as_a_difference_of_accuracies_and_as_a_mean_over_images(case):
    n, before, after = case
    ways = (
        100 * (after - before) / n,
        100 * after / n - 100 * before / n,
        100 * (after / n - before / n),
        float(np.mean(np.r_[np.full(after, 100.0), np.zeros(n - after)])) - 100 * before / n,
        float(Fraction(100 * (after - before), n)),
    )
    for write in (points_text, points, fine_points, points_of_a_reason):
        assert len({write(way).replace("+", "").replace("-0.0", "0.0") for way in ways}) == 1
    assert len({percent(way) for way in (100 * after / n, 100 * (after / n), float(Fraction(100 * after, n)))}) == 1
