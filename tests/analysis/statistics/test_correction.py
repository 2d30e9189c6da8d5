"""Holm's and Benjamini and Hochberg's corrections are those of statsmodels, to the last bit, and of SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis.statistics import adjust
from pytest_robustness.analysis.test_result import McNemarResult

P_VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.05, 0.5, 1.0]), min_size=1, max_size=40)


def results(p_values: list[float]) -> list[McNemarResult]:
    nan = math.nan
    return [McNemarResult(9, nan, nan, nan, nan, nan, nan, p, p, nan, 0, 0) for p in p_values]


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
@given(p_values=P_VALUES)
def test_a_correction_is_that_of_statsmodels(correction, method, p_values):
    adjusted = [result.p_adjusted for result in adjust(results(p_values), correction)]
    assert adjusted == multipletests(p_values, method=method)[1].tolist()


@given(p_values=P_VALUES)
def test_bh_is_that_of_scipy(p_values):
    adjusted = [result.p_adjusted for result in adjust(results(p_values), "bh")]
    np.testing.assert_allclose(adjusted, stats.false_discovery_control(p_values), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("correction", ["none", "holm", "bh"])
def test_an_inconclusive_test_is_no_member_of_the_family(correction):
    with_gap = [result.p_adjusted for result in adjust(results([0.01, math.nan, 0.04]), correction)]
    without = [result.p_adjusted for result in adjust(results([0.01, 0.04]), correction)]
    assert math.isnan(with_gap[1])
    assert [with_gap[0], with_gap[2]] == without
    assert adjust([], correction) == []
