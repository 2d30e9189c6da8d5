"""The change of accuracy on the same images: its interval, one-sided tests of it, and how many images would decide.

Each image is lost (right in control only), gained (right in treated only) or neither. Two approximations of the
difference of paired proportions are computed, and the more cautious one counts: Tango's score test (1998, Statistics in
Medicine 17:891), which takes the variance that the null hypothesis implies, with half an image of continuity
correction; and Bonett and Price's (2012, J. Educ. Behav. Stat. 37:479), Wald's with one image added to the lost and the
gained ones. Alone, the first shows too readily that a change is large, the second that it is small, where few images
changed; together they hold their level from 10 images on (``benchmarks/verdicts.py``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pytest_robustness.analysis.statistics.columns import Floats, Ints

# Each halves the interval of 2 that the bound lies in: to 1e-9.
_STEPS = 31
# Each halves the logarithm of a number of images, up to 2 ** 40.
_SIZE_STEPS = 30
_LARGEST = 40.0
# More images than anybody labels to decide one test.
_MOST_IMAGES = 10_000_000


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
        the interval, which so holds its level with one image per class too. The lost and the gained image that are
        added to every sample count as images of the smallest class, where one image matters most: what a class of three
        images did not lose says little.

        Parameters
        ----------
        lost, gained, n
            The images lost, gained, and all of them, by class: int64 [k, C]. Classes without images do not count.
        """
        seen = n > 0
        classes = np.maximum(seen.sum(axis=-1), 1)
        size = np.maximum(n, 1)
        shares = (lost / size).sum(axis=-1) / classes, (gained / size).sum(axis=-1) / classes
        changed, variance = shares[0] + shares[1], sum(_variance(lost, gained, n))
        # As many images of equal weight, with one lost and one gained added, have this variance:
        # changed / images + 2 / images ** 2.
        images = 4 / (np.sqrt(changed**2 + 8 * variance) - changed)
        return cls(*shares, np.where(seen.any(axis=-1), images, 0.0))

    @property
    def value(self) -> Floats:
        """The change, -1 to 1; negative is a loss."""
        return self.gained - self.lost

    @property
    def mirrored(self) -> PairedChange:
        """The same with lost and gained exchanged: what shows that a change is small there shows it large here."""
        return PairedChange(self.gained, self.lost, self.images)


def p_below(change: PairedChange, bound: ArrayLike) -> Floats:
    """Return the one-sided p [k] of the hypothesis that the true change is ``bound`` (-1 to 1) or more.

    A small p shows that the change lies below ``bound``. Without images p is 1.
    """
    bound = np.asarray(bound, np.float64)
    cautious = np.maximum(_score(change, bound), _adjusted_wald(change, bound))
    p: Floats = special.ndtr(np.where(change.images > 0, cautious, np.inf))
    return p


def p_above(change: PairedChange, bound: ArrayLike) -> Floats:
    """Return the one-sided p [k] of the hypothesis that the true change is ``bound`` (-1 to 1) or less."""
    return p_below(change.mirrored, -np.asarray(bound, np.float64))


def interval(change: PairedChange, alpha: float) -> tuple[Floats, Floats]:
    """Return the interval [k] each of level 1 - 2 alpha, -1 to 1: the bounds that neither one-sided test rejects.

    It lies below a bound exactly where `p_below` of that bound is under ``alpha``. Without images it is all of -1 to 1.
    """
    both = PairedChange(*(np.concatenate(columns) for columns in zip(change, change.mirrored, strict=True)))
    upper, mirrored = np.split(_upper(both, alpha), 2)
    return -mirrored, upper


def images_to_decide(change: PairedChange, bound: ArrayLike, alpha: float) -> Floats:
    """Return how many images [k] would show on which side of ``bound`` (-1 to 1) the change lies.

    It supposes that the change and the share of changed images stay what they are; infinity where the change is at the
    bound itself.
    """
    bound = np.broadcast_to(np.asarray(bound, np.float64), change.value.shape)
    above = change.value > bound
    lost, gained = np.where(above, change.gained, change.lost), np.where(above, change.lost, change.gained)
    bound = np.where(above, -bound, bound)
    distance, critical = bound - (gained - lost), special.ndtri(alpha)
    # Tango's statistic is critical where distance * n - 1 / 2 = -critical * error * sqrt(n).
    error = -critical * _null_error(lost, gained, bound)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_score = ((error + np.sqrt(error**2 + 2 * distance)) / (2 * distance)) ** 2
    low, high = np.zeros(len(lost)), np.full(len(lost), _LARGEST)
    for _ in range(_SIZE_STEPS):
        middle = (low + high) / 2
        decided = _adjusted_wald(PairedChange(lost, gained, 2**middle), bound) < critical
        low, high = np.where(decided, low, middle), np.where(decided, middle, high)
    needed: Floats = np.where(distance > 0, np.maximum(by_score, 2**high), np.inf)
    return needed


def rounded_up(needed: float) -> int | None:
    """Return a number of images that would decide, to two digits, rounded up; ``None`` beyond ten million or of NaN."""
    if not needed <= _MOST_IMAGES:
        return None
    unit = int(10 ** max(math.floor(math.log10(max(needed, 1))) - 1, 0))
    return math.ceil(needed / unit) * unit


def times_to_decide(lost: Ints, gained: Ints, n: Ints, bound: ArrayLike, alpha: float) -> Floats:
    """Return how many times as many images of each class [k] would show on which side of ``bound`` the change lies.

    It supposes, as `images_to_decide` does, that the shares of lost and gained images stay what they are, in every
    class. With one size of class, it is the number of images that decide over those there; with several it is less: the
    images that are added count as those of the smallest class, and weigh little once that is large. NaN without images.

    Parameters
    ----------
    lost, gained, n
        The images lost, gained, and all of them, by class: int64 [k, C].
    bound
        -1 to 1: [k], or one for all.
    alpha
        The level of the one-sided test.
    """
    change = PairedChange.of_classes(lost, gained, n)
    images = images_to_decide(change, bound, alpha)
    of_changed, of_added = _variance(lost, gained, n)
    # At t times the images the variance is of_changed / t + of_added / t ** 2.
    decides = (change.lost + change.gained) / images + 2 / images**2
    with np.errstate(divide="ignore"):
        times = (of_changed + np.sqrt(of_changed**2 + 4 * of_added * decides)) / (2 * decides)
    found: Floats = np.where(change.images > 0, times, np.nan)
    return found


def _variance(lost: Ints, gained: Ints, n: Ints) -> tuple[Floats, Floats]:
    """Return the variance of the mean change over classes: that of the changed images, and that of the two added [k].

    The parameters are those of `PairedChange.of_classes`.
    """
    seen, size = n > 0, np.maximum(n, 1)
    classes = np.maximum(seen.sum(axis=-1), 1)
    weight = 1 / (classes * np.where(seen, size, np.iinfo(np.int64).max).min(axis=-1))
    return ((lost + gained) / size**2).sum(axis=-1) / classes**2, 2 * weight**2


def _upper(change: PairedChange, alpha: float) -> Floats:
    """Return the largest bound [k] that neither approximation rejects."""
    low, high = change.value.copy(), np.ones(len(change.images))
    critical = special.ndtri(alpha)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rejected = _score(change, middle) < critical
        low, high = np.where(rejected, low, middle), np.where(rejected, middle, high)
    difference, error = _adjusted(change)
    cautious: Floats = np.minimum(np.maximum(high, difference - critical * error), 1.0)
    return np.where(change.images > 0, cautious, 1.0)


def _score(change: PairedChange, bound: Floats) -> Floats:
    """Return Tango's statistic [k] for a true change of ``bound``, moved towards 0 by half an image."""
    n = np.maximum(change.images, 1e-9)
    error = _null_error(change.lost, change.gained, bound) / np.sqrt(n)
    distance = np.minimum(change.value - bound + 1 / (2 * n), 0.0)
    return np.divide(distance, error, out=np.where(distance < 0, -np.inf, 0.0), where=error > 0)


def _null_error(lost: Floats, gained: Floats, bound: Floats) -> Floats:
    """Return the standard deviation [k] of one image's change where the true change is ``bound``."""
    # The likelihood's maximum over the share of lost images, given the change: the larger root of a quadratic.
    linear = lost + gained + bound * (gained - lost) - 2 * bound
    root = np.sqrt(np.maximum(linear**2 + 8 * lost * bound * (1 - bound), 0.0))
    share = np.clip((linear + root) / 4, np.maximum(0.0, -bound), (1 - bound) / 2)
    error: Floats = np.sqrt(np.maximum(2 * share + bound - bound**2, 0.0))
    return error


def _adjusted_wald(change: PairedChange, bound: Floats) -> Floats:
    """Return Bonett and Price's statistic [k] for a true change of ``bound``."""
    difference, error = _adjusted(change)
    statistic: Floats = (difference - bound) / error
    return statistic


def _adjusted(change: PairedChange) -> tuple[Floats, Floats]:
    """Return Bonett and Price's difference and its standard error: [k] each."""
    n = change.images + 2
    lost, gained = (change.lost * change.images + 1) / n, (change.gained * change.images + 1) / n
    difference = gained - lost
    return difference, np.sqrt((lost + gained - difference**2) / n)
