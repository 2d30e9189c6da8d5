"""The sign-flip test: do models answer differently about the images of a class under a condition?

If the condition changed nothing, control and treated could be swapped on any image, for all models together: an image's
sum of changes over the models would be as likely positive as negative. The models may agree as much as they like; only
images are counted as independent. With one model this is McNemar's exact test.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from pytest_robustness.analysis.statistics.correction import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.statistics.columns import Floats, Ints

# Numbers that one Fourier transform holds at a time.
_ENTRIES = 1_000_000
# A tilt that leaves next to nothing of a sum but 0.
_STEEPEST = 8.0


def sign_flip_p(sizes: Ints, total: Ints) -> Floats:
    """Return the exact two-sided p [C] of each class's total change under random signs, one sign per image.

    The distribution of a sum is the product of the characteristic functions of its terms. It is tilted until the
    observed total lies in its middle, so that small p keep their digits (Daniels 1954, Ann. Math. Stat. 25:631).

    Parameters
    ----------
    sizes
        How many images of each class changed by how much: int64 [C, M + 1], where entry ``[c, s]`` counts the images
        whose changes (gained 1, lost -1) over the M models sum to ``s`` or ``-s``.
    total
        The sum of the changes over all images and models: int64 [C].

    Returns
    -------
    float64 [C]
        The share of the sign patterns whose total is at least as far from 0; never below the smallest float.
    """
    # Sizes that no image has, and 0, change nothing.
    values = np.flatnonzero(sizes.any(axis=0) & (np.arange(sizes.shape[1]) > 0))
    sizes = sizes[:, values]
    reach = sizes @ values
    # With every sign free, (total + reach) / 2 is the sum of the sizes of the images that are positive.
    tail = (reach - np.abs(total)) // 2
    p = np.ones(len(sizes))
    changed = np.flatnonzero(total)
    if not changed.size:
        return p
    tilts, nearest = _tilts(sizes[changed], values, tail[changed])
    for i in np.unique(nearest):
        rows = changed[nearest == i]
        rows = rows[np.argsort(reach[rows], kind="stable")]
        several = max(int(_ENTRIES // (reach[rows[-1]] + 1)), 1)
        for start in range(0, len(rows), several):
            part = rows[start : start + several]
            p[part] = 2 * _cumulative(sizes[part], values, tail[part], float(tilts[i]))
    return np.clip(p, np.finfo(np.float64).tiny, 1.0)


def fewest_significant(alpha: float, p_values: Floats) -> int:
    """Return how many images of a class must change, all in one direction, for the class to be significant.

    With fewer it cannot be at ``alpha`` after Holm's correction, however many models agree. Holm's method steps down:
    where other classes are significant, a class needs fewer images than beside such as show nothing.

    Parameters
    ----------
    alpha
        The level.
    p_values
        What the sign-flip test, or McNemar's, says of all classes that have images, before correction: float64 [k]. The
        class that is asked for may be among them: its own p is no smaller than that of the loss of all its images.
    """
    tests = max(len(p_values), 1)
    ordered, adjusted = np.sort(p_values), np.sort(holm(p_values))
    # Beside classes that show nothing.
    fewest = math.floor(1 - math.log2(alpha / tests)) + 1
    while fewest > 1:
        p = 0.5 ** (fewest - 2)
        before = int(np.searchsorted(ordered, p))
        if (before and adjusted[before - 1] >= alpha) or p * max(tests - before, 1) >= alpha:
            break
        fewest -= 1
    return fewest


def change_sizes(sums: NDArray[np.int16], labels: Ints, classes: int, models: int) -> tuple[Ints, Ints]:
    """Return `sign_flip_p`'s arguments: counts of the sizes of the changes (int64 [C, M + 1]), and the totals [C].

    Parameters
    ----------
    sums, labels
        The sum of each image's changes over the models (int16 [N]), and its class (int64 [N]).
    classes, models
        C and M.
    """
    kinds = 2 * models + 1
    counts = np.bincount(labels * kinds + (sums + models), minlength=classes * kinds).reshape(classes, kinds)
    sizes = counts[:, models:].copy()
    sizes[:, 1:] += counts[:, :models][:, ::-1]
    return sizes, counts @ np.arange(-models, models + 1)


def _tilts(sizes: Ints, values: Ints, tail: Ints) -> tuple[Floats, Ints]:
    """Return tilts, and for each class [k] the index of one that brings the sum's mean close to its ``tail``.

    They lie three standard deviations of the widest sum apart, so that few serve all classes, and no tail is far out.
    """
    widest = math.sqrt(float((sizes @ values**2).max()) / 4)
    tilts = np.arange(0.5, _STEEPEST * widest / 3 + 1) * 3 / widest
    means = sizes @ (values[:, None] / (1 + np.exp(np.minimum(values[:, None] * tilts, 700.0))))
    return tilts, np.minimum(np.count_nonzero(means > tail[:, None], axis=1), len(tilts) - 1)


def _cumulative(sizes: Ints, values: Ints, tail: Ints, tilt: float) -> Floats:
    """Return P(sum <= tail) [k] of the sum over images of its size or 0, each with probability one half."""
    length = fft.next_fast_len(int((sizes @ values).max()) + 1, real=True)
    frequency = 2j * np.pi * np.arange(length // 2 + 1) / length
    chance = 1 / (1 + np.exp(np.minimum(values * tilt, 700.0)))[:, None]
    logs = np.log(1 - chance + chance * np.exp(-frequency * values[:, None]))
    counts = sizes.astype(np.float64)
    tilted = fft.irfft(np.exp(counts @ logs.real + 1j * (counts @ logs.imag)), length)[:, : int(tail.max()) + 1]
    places = np.arange(tilted.shape[1]) - tail[:, None]
    weighted = np.where(places <= 0, tilted * np.exp(tilt * np.minimum(places, 0)), 0.0).sum(axis=1)
    untilted = counts @ np.log1p(np.exp(-tilt * values)) - counts.sum(axis=1) * math.log(2) + tilt * tail
    cumulative: Floats = weighted * np.exp(untilted)
    return cumulative
