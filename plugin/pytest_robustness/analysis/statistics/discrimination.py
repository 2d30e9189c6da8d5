"""Discrimination: how well a score of one image tells control images from transformed ones.

The same images occur in both groups, so the groups are not independent: DeLong's variance of the area under the ROC
curve (AUROC) would be too large where the scores of an image are alike under both conditions, and too small where they
oppose each other. Here each image is one observation with two scores, and the variance is that of its two structural
components together (Obuchowski 1997, Biometrics 53:567). The Kolmogorov-Smirnov statistic has its p from swapping
control and treated at random on whole images, not from its table, which supposes independent groups.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special, stats

from pytest_robustness.analysis.statistics.columns import MIN_OBSERVATIONS, Floats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray


SWAPS = 999
"""How many random swaps a p-value comes from, so that none is below 0.001."""

# Numbers that are held at a time while scores are swapped.
_ENTRIES = 4_000_000
# Single precision tells no probability from 1 that is nearer to it than this.
_RESOLUTION = 2.0**-24


class PairedScores(NamedTuple):
    """A score of the same images in control and under a condition: float64 [n] each."""

    control: Floats
    treated: Floats

    @classmethod
    def of(cls, control: ArrayLike, treated: ArrayLike) -> PairedScores:
        """Return the scores of the images that have both; NaN marks an image without one.

        Raises
        ------
        ValueError
            If the two are not of one shape [N].
        """
        before, after = np.asarray(control, np.float64), np.asarray(treated, np.float64)
        if before.ndim != 1 or before.shape != after.shape:
            raise ValueError(f"control and treated must have one shape [N]; got {before.shape}, {after.shape}")
        both = ~(np.isnan(before) | np.isnan(after))
        return cls(before[both], after[both])


@dataclasses.dataclass(frozen=True)
class Discrimination:
    """How well a score tells treated images from control ones.

    ``n`` counts the images. ``auroc`` is the chance that a treated image scores higher than a control image, ties
    counted half, with an interval. NaN: fewer than two images.
    """

    n: int
    auroc: float
    low: float
    high: float

    @property
    def conclusive(self) -> bool:
        """Whether there were images enough to say anything."""
        return not math.isnan(self.auroc)

    @property
    def distance(self) -> float:
        """How far the AUROC lies from 0.5, where the score tells nothing, whichever side scores higher."""
        return abs(self.auroc - 0.5)

    def beyond(self, bound: float) -> bool:
        """Whether the whole interval lies above ``bound`` (0.5 to 1), or below its mirror image ``1 - bound``."""
        return self.low > bound or self.high < 1 - bound

    def within(self, bound: float) -> bool:
        """Whether the whole interval lies between ``1 - bound`` and ``bound``."""
        return 1 - bound < self.low and self.high < bound

    @property
    def oriented(self) -> Discrimination:
        """The same, turned so that the AUROC is at least 0.5: a detector knows which side scores higher."""
        if not self.auroc < 0.5:
            return self
        return dataclasses.replace(self, auroc=1 - self.auroc, low=1 - self.high, high=1 - self.low)


class LargestDistance(NamedTuple):
    """The Kolmogorov-Smirnov statistic, 0 to 1, and its p from random swaps; NaN of fewer than two images."""

    distance: float
    p_value: float


def discriminate(scores: PairedScores, *, alpha: float) -> Discrimination:
    """Measure how well the scores of n images tell treated images from control ones.

    The interval has the level 1 - ``alpha``: each end is a one-sided test at alpha / 2.
    """
    n = len(scores.control)
    if n < MIN_OBSERVATIONS:
        return Discrimination(n, math.nan, math.nan, math.nan)
    return Discrimination(n, auroc(scores), *auroc_interval(scores, alpha=alpha))


def auroc(scores: PairedScores) -> float:
    """Return the chance that a treated image scores higher than a control image, ties counted half; NaN of none."""
    return float(_components(scores).mean()) / 2 if len(scores.control) else math.nan


def auroc_interval(scores: PairedScores, *, alpha: float) -> tuple[float, float]:
    """Return the interval of the AUROC with level 1 - alpha, 0 to 1; of no image it is all of that.

    Two images are added that deviate as far as any can, one to each side: so the interval has a width where no score
    changed, or where the groups are fully apart. On the scale of log-odds it stays between 0 and 1. Simulated with 5 to
    500 images, AUROC 0.5 to 0.96, scores of an image that correlate by -0.9 to 0.95, and ties, that of 95 % covers in
    93 % of the runs or more; one of independent groups in 84 to 100 %, and without the added images, of 5 images that
    are nearly apart, in 38 % (``benchmarks/discrimination.py``).
    """
    components = _components(scores)
    n, area = len(components), float(components.mean()) / 2 if len(components) else 0.5
    deviations = components - 2 * area
    centre = (n * area + 1) / (n + 2)
    error = math.sqrt((float(deviations @ deviations) + 2) / ((n + 1) * (n + 2)))
    half = float(stats.norm.isf(alpha / 2)) * error / (centre * (1 - centre))
    middle = float(special.logit(centre))
    # With few images fully apart, the added ones would leave the estimate itself outside.
    return min(float(special.expit(middle - half)), area), max(float(special.expit(middle + half)), area)


def kolmogorov_smirnov(scores: PairedScores, *, seed: int) -> LargestDistance:
    """Return the largest distance of the two distributions, and its p from swapping the scores of whole images.

    If the condition changed nothing, control and treated could be swapped on any image. The p is the share of
    `SWAPS` random patterns, and of the one observed, whose statistic is at least as large: it holds for any number of
    images, with ties, and however alike the two scores of an image are. The table's p, of independent groups, is below
    0.05 in none of the runs where they correlate by 0.95 and nothing changed, and in 10 % where by -0.9.
    """
    if len(scores.control) < MIN_OBSERVATIONS:
        return LargestDistance(math.nan, math.nan)
    changed = scores.control != scores.treated
    before, after = scores.control[changed], scores.treated[changed]
    n = len(before)
    if not n:
        return LargestDistance(0.0, 1.0)
    values = np.concatenate([before, after])
    order = np.argsort(values, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    image, steps = order % n, np.where(order < n, 1, -1).astype(np.int32)
    observed = int(np.abs(np.cumsum(steps)[ends]).max())
    as_far = 0
    for signs in random_signs(n, seed=seed, entries=2 * n):
        distances = np.cumsum(signs[:, image] * steps, axis=1, dtype=np.int32)[:, ends]
        as_far += int(np.count_nonzero(np.abs(distances).max(axis=1) >= observed))
    return LargestDistance(observed / len(scores.control), (as_far + 1) / (SWAPS + 1))


def random_signs(images: int, *, seed: int, entries: int) -> Iterator[NDArray[np.int8]]:
    """Yield `SWAPS` rows of random signs, one sign an image (int8 [k, images]), a few rows at a time.

    Parameters
    ----------
    images
        How many signs a row has.
    seed
        Gives the same rows each time.
    entries
        How many numbers a caller holds for each row.
    """
    generator = np.random.default_rng(seed)
    rows = max(_ENTRIES // max(entries, 1), 1)
    for start in range(0, SWAPS, rows):
        signs = generator.integers(0, 2, (min(rows, SWAPS - start), images), np.int8)
        yield 2 * signs - 1


def log_odds(probability: ArrayLike) -> Floats:
    """Return log(p / (1 - p)) of probabilities [N], NaN of NaN.

    Probabilities nearer to 0 or 1 than single precision tells from 1 count as that near: log-odds of 16.6 at most,
    either way, so that one sure answer does not outweigh all others in a mean.
    """
    p = np.clip(np.asarray(probability, np.float64), _RESOLUTION, 1 - _RESOLUTION)
    odds: Floats = special.logit(p)
    return odds


def mean_scores(by_model: Iterable[tuple[ArrayLike, ArrayLike]]) -> tuple[Floats, Floats]:
    """Return the mean over models of each image's score, control and treated (float64 [N] each).

    Each model's scores are first brought to mean 0 and standard deviation 1 over control and treated together, so that
    no model counts more because its confidences are more extreme; a model whose scores do not vary adds nothing. Both
    groups go through the same function, which a swap of an image's two scores leaves as it is, so that the p of random
    swaps holds for the mean: the models share the images, and each image is swapped for all models at once.

    Parameters
    ----------
    by_model
        The scores of control and of treated: float [N] each, NaN where an image has none. An image that one model lacks
        has no mean.

    Raises
    ------
    ValueError
        Without a model.
    """
    standard = [_standardised(np.asarray([control, treated], np.float64)) for control, treated in by_model]
    if not standard:
        raise ValueError("a mean over models needs at least one model")
    control, treated = np.mean(standard, axis=0)
    return control, treated


def _standardised(scores: Floats) -> Floats:
    """Return scores [2, N] with mean 0 and standard deviation 1 over the images that have both."""
    both = ~np.isnan(scores).any(axis=0)
    centred: Floats = scores - (scores[:, both].mean() if both.any() else 0.0)
    deviation = float(centred[:, both].std()) if both.any() else 0.0
    return centred / deviation if deviation > 0 else np.where(np.isnan(centred), np.nan, 0.0)


def _components(scores: PairedScores) -> Floats:
    """Return the sum of each image's two structural components: float64 [n], 0 to 2 each, whose mean is 2 AUROC.

    They are the share of control images that score below its treated score, and the share of treated images that score
    above its control score.
    """
    n = len(scores.control)
    ranks = stats.rankdata(np.concatenate([scores.control, scores.treated]))
    below = ranks[n:] - stats.rankdata(scores.treated)
    above = n - (ranks[:n] - stats.rankdata(scores.control))
    components: Floats = (below + above) / max(n, 1)
    return components
