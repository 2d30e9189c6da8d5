"""The sign-flip test: do models answer differently about the images of a class under a condition?

If the condition changed nothing, control and treated could be swapped on any image, for all models together: an image's
sum of changes over the models would be as likely positive as negative. The models may agree as much as they like; only
images are counted as independent. With one model this is McNemar's exact test.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.statistics.columns import Floats, Ints

_ROWS = 256


def sign_flip_p(sizes: Ints, total: Ints) -> Floats:
    """Return the exact two-sided p [C] of each class's total change under random signs, one sign per image.

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
    reach = sizes @ np.arange(sizes.shape[1])
    # With every sign free, (total + reach) / 2 is the sum of the sizes of the images that are positive.
    tail = (reach - np.abs(total)) // 2
    p = np.ones(len(sizes))
    changed = np.flatnonzero(total)
    # Classes of like reach share an array, so that few entries are computed in vain.
    order = changed[np.argsort(tail[changed], kind="stable")]
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        p[rows] = 2 * _cumulative(sizes[rows], tail[rows])
    return np.clip(p, np.finfo(np.float64).tiny, 1.0)


def fewest_significant(alpha: float, tests: int) -> int:
    """Return how many images must change, all in one direction, for one class of ``tests`` to be significant.

    Smaller numbers cannot be significant at ``alpha`` after Holm's correction, however many models agree.
    """
    return math.floor(1 - math.log2(alpha / max(tests, 1))) + 1


def change_sizes(sums: NDArray[np.int16], labels: Ints, classes: int, models: int) -> tuple[Ints, Ints]:
    """Return `sign_flip_p`'s arguments: counts of the sizes of the changes (int64 [C, M + 1]), and the totals [C].

    Parameters
    ----------
    sums, labels
        The sum of each image's changes over the models (int16 [N]), and its class (int64 [N]).
    classes, models
        C and M.
    """
    sizes = np.bincount(labels * (models + 1) + np.abs(sums), minlength=classes * (models + 1))
    total = np.bincount(labels, weights=sums, minlength=classes)
    return sizes.reshape(classes, models + 1), np.rint(total).astype(np.int64)


def _cumulative(sizes: Ints, tail: NDArray[np.int64]) -> Floats:
    """Return P(sum <= tail) [k] of the sum over images of its size or 0, each with probability one half.

    The distribution is built image by image, in all rows at once, up to the largest ``tail``.
    """
    chance = np.zeros((len(sizes), int(tail.max()) + 1))
    chance[:, 0] = 1.0
    for size in range(1, sizes.shape[1]):
        for image in range(int(sizes[:, size].max())):
            rows = sizes[:, size] > image
            halved = chance[rows] / 2
            chance[rows] = halved
            chance[rows, size:] += halved[:, :-size] if size < chance.shape[1] else 0.0
    within = np.arange(chance.shape[1]) <= tail[:, None]
    cumulative: Floats = np.where(within, chance, 0.0).sum(axis=1)
    return cumulative
