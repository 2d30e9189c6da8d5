"""Correction of p-values for the number of tests."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, get_args

import numpy as np
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis.test_result import Correction
from pytest_robustness.errors import OptionError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.test_result import TestResult

_MULTIPLETESTS_METHOD = {"bh": "fdr_bh", "holm": "holm"}


def adjust(results: Sequence[TestResult], correction: Correction) -> list[TestResult]:
    """Return the results with ``p_adjusted`` corrected for their number: they are the family.

    Parameters
    ----------
    results
        The tests of one family. Inconclusive ones do not count as members and stay inconclusive.
    correction
        ``none``; ``holm`` (1979) bounds the chance of any false rejection; ``bh`` (Benjamini and Hochberg, 1995) bounds
        the expected share of false ones among the rejections.

    Raises
    ------
    OptionError
        If ``correction`` is not one of the three.
    """
    if correction not in get_args(Correction):
        raise OptionError(unknown("correction", correction, get_args(Correction)))
    adjusted = np.array([result.p_value for result in results], dtype=np.float64)
    family = ~np.isnan(adjusted)
    if correction != "none" and family.any():
        adjusted[family] = multipletests(adjusted[family], method=_MULTIPLETESTS_METHOD[correction])[1]
    return [dataclasses.replace(result, p_adjusted=p) for result, p in zip(results, adjusted.tolist(), strict=True)]
