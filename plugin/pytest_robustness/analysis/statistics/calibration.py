"""Calibration: whether a model is right as often as its confidence says.

Of an image's probabilities the store keeps that of the answer, so all figures here are about the answer: whether it is
right, and how sure the model was.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.proportion import wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Bools, Floats, Ints

BINS = 15
"""How many bins a reliability curve has, as in Guo et al. (2017)."""


class Bins(NamedTuple):
    """The points of a reliability curve, the least confident first: [k] each.

    ``images`` counts the images of each bin, ``confidence`` is the mean probability of their answers and ``accuracy``
    the share that is right, 0 to 1, with Wilson's 95 % interval.
    """

    images: Ints
    confidence: Floats
    accuracy: Floats
    low: Floats
    high: Floats


class Calibration(NamedTuple):
    """How well one model's confidence fits its accuracy under one condition.

    ``confidence`` and ``accuracy`` are means over ``n`` images, 0 to 1. ``ece`` is the expected calibration error: the
    mean over the images of their bin's distance between accuracy and confidence. Noise adds to it: a perfectly
    calibrated model with few images in a bin has an ECE above 0. ``brier`` is the mean over the images of the squared
    difference between the answer's probability and 1 where it is right, 0 where it is wrong: the Brier score of the
    question whether the answer is right, 0 to 1, not that over all classes. NaN without images.
    """

    n: int
    confidence: float
    accuracy: float
    ece: float
    brier: float
    bins: Bins


def calibration(confidence: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> Calibration:
    """Measure calibration.

    Parameters
    ----------
    confidence
        The probability of each answer: float [N], NaN where the image was skipped; it does not count.
    correct
        Whether the answer is right: bool [N].
    bins
        How many bins of equal mass to have; with fewer images, as many as there are images.

    Raises
    ------
    ValueError
        If the two are not of one shape [N], or there is no bin.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.bool_)
    if sure.ndim != 1 or sure.shape != right.shape:
        raise ValueError(f"confidence and correct must have one shape [N]; got {sure.shape}, {right.shape}")
    if bins < 1:
        raise ValueError(f"bins is {bins}. Valid: a whole number from 1, such as {BINS}.")
    seen = ~np.isnan(sure)
    sure, right = sure[seen], right[seen]
    curve = _equal_mass(sure, right, bins)
    if not len(sure):
        return Calibration(0, math.nan, math.nan, math.nan, math.nan, curve)
    ece = float(curve.images @ np.abs(curve.accuracy - curve.confidence)) / len(sure)
    brier = float(np.square(sure - right).mean())
    return Calibration(len(sure), float(sure.mean()), float(right.mean()), ece, brier, curve)


def _equal_mass(confidence: Floats, correct: Bools, bins: int) -> Bins:
    """Divide n images by confidence into bins whose sizes differ by one at most.

    Where images of one confidence fall into two bins, each has as many right ones as the group has on average, so that
    the order of the images changes nothing.
    """
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    _, group, sizes = np.unique(ordered, return_inverse=True, return_counts=True)
    right = (np.bincount(group, correct[order].astype(np.float64), len(sizes)) / sizes)[group]
    parts = np.array_split(np.arange(len(ordered)), min(bins, max(len(ordered), 1)))
    images = np.array([len(part) for part in parts if len(part)], np.int64)
    means = [(ordered[part].mean(), right[part].mean()) for part in parts if len(part)]
    sure, accuracy = np.array(means, np.float64).reshape(-1, 2).T
    return Bins(images, sure, accuracy, *wilson(accuracy, images))
