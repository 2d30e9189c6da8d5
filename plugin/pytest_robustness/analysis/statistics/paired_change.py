"""The change of accuracy on the same images: its interval, one-sided tests of it, and how many images would decide.

Each image is lost (right in control only), gained (right in treated only) or neither. Two approximations of the
difference of paired proportions are computed, and the more cautious one counts: Tango's score test (1998, Statistics in
Medicine 17:891), which takes the variance that the null hypothesis implies, with half an image of continuity
correction; and Bonett and Price's (2012, J. Educ. Behav. Stat. 37:479), Wald's with one image added to the lost and the
gained ones.
Alone, the first rejects too readily that a change is small, the second that it is large, where few images changed;
together they hold their level from 10 images on (``benchmarks/verdicts.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Floats, Ints

# Each halves the interval of 2 that the bound lies in: to 1e-9.
_STEPS = 31


class PairedChange(NamedTuple):
    """The changes of k models, each over a sample of images: float64 [k] each.

    ``lost`` and ``gained`` are shares of the images, 0 to 1; ``images`` is their number. Where classes of different
    sizes count equally it is the number of images that would give the mean as large a variance, and no whole number.
    """

    lost: Floats
    gained: Floats
    images: Floats

    @classmethod
    def of_classes(cls, lost: Ints, gained: Ints, n: Ints) -> PairedChange:
        """Return the mean changes over classes that count equally.

        The images of all classes are taken as one sample with the mean shares: the spread between classes then widens
        the interval, which so holds its level with one image per class too.

        Parameters
        ----------
        lost, gained, n
            The images lost, gained, and all of them, by class: int64 [k, C]. Classes without images do not count.
        """
        seen = n > 0
        classes = np.maximum(seen.sum(axis=-1), 1)
        size = np.maximum(n, 1)
        per_image = np.where(seen, 1 / size, 0.0).sum(axis=-1)
        images = np.divide(classes**2, per_image, out=np.zeros(len(n)), where=per_image > 0)
        return cls((lost / size).sum(axis=-1) / classes, (gained / size).sum(axis=-1) / classes, images)

    @property
    def value(self) -> Floats:
        """The change, -1 to 1; negative is a loss."""
        return self.gained - self.lost


def p_below(change: PairedChange, bound: ArrayLike) -> Floats:
    """Return the one-sided p [k] of the hypothesis that the true change is ``bound`` (-1 to 1) or more.

    A small p shows that the change lies below ``bound``. Without images p is 1.
    """
    p: Floats = special.ndtr(_statistic(change, np.asarray(bound, np.float64)))
    return p


def p_above(change: PairedChange, bound: ArrayLike) -> Floats:
    """Return the one-sided p [k] of the hypothesis that the true change is ``bound`` (-1 to 1) or less."""
    return p_below(PairedChange(change.gained, change.lost, change.images), -np.asarray(bound, np.float64))


def interval(change: PairedChange, alpha: float) -> tuple[Floats, Floats]:
    """Return the interval [k] each of level 1 - 2 alpha, -1 to 1: the bounds that neither one-sided test rejects.

    It lies below a bound exactly where `p_below` of that bound is under ``alpha``. Without images it is all of -1 to 1.
    """
    upper = _upper(change, alpha)
    return -_upper(PairedChange(change.gained, change.lost, change.images), alpha), upper


def images_to_decide(change: PairedChange, margin: float, alpha: float) -> Floats:
    """Return how many images [k] would show the change to lie within ``margin`` of 0, or beyond it.

    It supposes that the change and the share of changed images stay what they are; infinity where the change is at the
    margin itself.

    Parameters
    ----------
    change
        The changes.
    margin, alpha
        The margin, 0 to 1, and the level of the one-sided test.
    """
    distance = np.abs(np.abs(change.value) - margin)
    # Neither approximation lets fewer images change than the null hypothesis does.
    changed = np.maximum(change.lost + change.gained, margin)
    z = -special.ndtri(alpha)
    with np.errstate(divide="ignore"):
        # Half an image of continuity correction adds the second term.
        needed: Floats = np.where(distance > 0, changed * (z / distance) ** 2 + 1 / distance, np.inf)
    return needed


def _upper(change: PairedChange, alpha: float) -> Floats:
    low, high = change.value.copy(), np.ones(len(change.images))
    critical = special.ndtri(alpha)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rejected = _statistic(change, middle) < critical
        low, high = np.where(rejected, low, middle), np.where(rejected, middle, high)
    return high


def _statistic(change: PairedChange, bound: Floats) -> Floats:
    """Return the more cautious of both statistics [k] for a true change of ``bound``; infinity without images."""
    some = change.images > 0
    cautious: Floats = np.maximum(_score(change, bound), _adjusted_wald(change, bound))
    return np.where(some, cautious, np.inf)


def _score(change: PairedChange, bound: Floats) -> Floats:
    """Return Tango's statistic [k] for a true change of ``bound``, moved towards 0 by half an image."""
    lost, gained = change.lost, change.gained
    n = np.maximum(change.images, 1e-9)
    # The likelihood's maximum over the share of lost images, given the change: the larger root of a quadratic.
    linear = lost + gained + bound * (gained - lost) - 2 * bound
    root = np.sqrt(np.maximum(linear**2 + 8 * lost * bound * (1 - bound), 0.0))
    share = np.clip((linear + root) / 4, np.maximum(0.0, -bound), (1 - bound) / 2)
    error = np.sqrt(np.maximum(2 * share + bound - bound**2, 0.0) / n)
    distance = np.minimum(change.value - bound + 1 / (2 * n), 0.0)
    return np.divide(distance, error, out=np.where(distance < 0, -np.inf, 0.0), where=error > 0)


def _adjusted_wald(change: PairedChange, bound: Floats) -> Floats:
    """Return Bonett and Price's statistic [k] for a true change of ``bound``."""
    n = change.images + 2
    lost, gained = (change.lost * change.images + 1) / n, (change.gained * change.images + 1) / n
    difference = gained - lost
    statistic: Floats = (difference - bound) / np.sqrt((lost + gained - difference**2) / n)
    return statistic
