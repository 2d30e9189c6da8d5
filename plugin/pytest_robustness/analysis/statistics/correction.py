"""Correction of p-values for the number of tests."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar, get_args

import numpy as np

from pytest_robustness.analysis.test_result import Correction, TestResult
from pytest_robustness.core.errors import OptionError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_Result = TypeVar("_Result", bound=TestResult)


def adjust(results: Sequence[_Result], correction: Correction) -> list[_Result]:
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
    if correction == "none":
        return list(results)
    corrected = correct(np.array([result.p_value for result in results], np.float64), correction)
    return [dataclasses.replace(result, p_adjusted=p) for result, p in zip(results, corrected.tolist(), strict=True)]


def correct(p: NDArray[np.float64], correction: Correction) -> NDArray[np.float64]:
    """Return p-values (float64 [n]) corrected as `adjust` says; NaN is no member of the family and stays NaN.

    Raises
    ------
    OptionError
        If ``correction`` is not one of the three.
    """
    if correction not in get_args(Correction):
        raise OptionError(unknown("correction", correction, get_args(Correction)))
    corrected = p.copy()
    family = ~np.isnan(p)
    if correction != "none":
        corrected[family] = _CORRECTIONS[correction](p[family])
    return corrected


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply the k-th smallest of n p-values by n - k + 1, keep their order, and stop at 1: float64 [n]."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(steps, 1.0)[np.argsort(order)]


def _benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide the k-th smallest of n p-values by k / n, keep their order, and stop at 1: float64 [n].

    SciPy's ``false_discovery_control`` multiplies by n / k, which differs in the last bit.
    """
    order = np.argsort(p)
    steps = p[order] / (np.arange(1, len(p) + 1) / len(p))
    return np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)[np.argsort(order)]


_CORRECTIONS = {"holm": holm, "bh": _benjamini_hochberg}
