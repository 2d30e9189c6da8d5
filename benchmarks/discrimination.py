"""How often the interval of an AUROC covers the true one, and the p of Kolmogorov-Smirnov is below its level.

The two scores of an image correlate, as those of one model do with and without a transform. Beside the interval that
the study uses stand those without its two added images, and DeLong's, which takes the groups for independent; beside
the p from random swaps stands that of the table.

    python benchmarks/discrimination.py [runs]
"""

from __future__ import annotations

import math
import sys

import numpy as np
from scipy import special, stats

from pytest_robustness.analysis.statistics.discrimination import (
    PairedScores,
    auroc,
    auroc_interval,
    kolmogorov_smirnov,
)

SIZES = (5, 20, 100, 500)
SHIFTS = (0.0, 0.36, 1.0, 2.5)
CORRELATIONS = (-0.9, 0.0, 0.5, 0.95)
ALPHA = 0.05


def drawn(generator: np.random.Generator, n: int, shift: float, correlation: float, step: float) -> PairedScores:
    """Return normal scores of unit variance, rounded to ``step`` unless it is 0."""
    control, own = generator.standard_normal((2, n))
    treated = shift + correlation * control + math.sqrt(1 - correlation**2) * own
    return PairedScores.of(*(np.round(group / step) * step if step else group for group in (control, treated)))


def components(scores: PairedScores) -> tuple[np.ndarray, np.ndarray]:
    """Return the structural components of treated and of control images: float64 [n] each."""
    n = len(scores.control)
    ranks = stats.rankdata(np.concatenate(scores))
    below = (ranks[n:] - stats.rankdata(scores.treated)) / n
    return below, 1 - (ranks[:n] - stats.rankdata(scores.control)) / n


def bare(scores: PairedScores, paired: bool) -> tuple[float, float]:
    """Return the interval on the scale of log-odds without added images, of pairs or of independent groups."""
    below, above = components(scores)
    area = float(below.mean())
    if not 0 < area < 1:
        return area, area
    variance = np.var(below + above, ddof=1) if paired else np.var(below, ddof=1) + np.var(above, ddof=1)
    half = stats.norm.isf(ALPHA / 2) * math.sqrt(variance / len(below)) / (area * (1 - area))
    low, high = special.expit(special.logit(area) + np.array([-half, half]))
    return float(low), float(high)


def coverage(runs: int) -> None:
    """Print the coverage of the three intervals, in percent."""
    generator = np.random.default_rng(0)
    print(f"{'AUROC':>6} {'correlation':>11} {'ties':>5} {'images':>6} {'used':>6} {'bare':>6} {'DeLong':>6}")
    lowest = 100.0
    for step in (0.0, 0.5):
        for shift in SHIFTS:
            far = (drawn(generator, 1_000_000, shift, 0.0, step) for _ in range(2))
            true = float(np.mean([auroc(scores) for scores in far]))
            for correlation in CORRELATIONS:
                for n in SIZES:
                    covered = np.zeros(3)
                    for _ in range(runs):
                        scores = drawn(generator, n, shift, correlation, step)
                        ends = auroc_interval(scores, alpha=ALPHA), bare(scores, True), bare(scores, False)
                        covered += [low <= true <= high for low, high in ends]
                    used, plain, independent = 100 * covered / runs
                    lowest = min(lowest, used)
                    row = f"{true:6.3f} {correlation:11.2f} {'yes' if step else 'no':>5} {n:6}"
                    print(f"{row} {used:6.1f} {plain:6.1f} {independent:6.1f}", flush=True)
    print(f"lowest of the interval used: {lowest:.1f} %")


def levels(runs: int) -> None:
    """Print how often both p are at most their level where nothing changed, in percent."""
    generator = np.random.default_rng(1)
    print(f"{'correlation':>11} {'level':>6} {'swaps':>6} {'table':>6}")
    for correlation in CORRELATIONS:
        both = []
        for run in range(runs):
            scores = drawn(generator, 100, 0.0, correlation, 0.0)
            both.append((kolmogorov_smirnov(scores, seed=run).p_value, stats.ks_2samp(*scores).pvalue))
        for level in (0.05, 0.2, 0.5):
            swaps, table = 100 * np.mean(np.array(both) <= level, axis=0)
            print(f"{correlation:11.2f} {level:6.2f} {swaps:6.1f} {table:6.1f}", flush=True)


if __name__ == "__main__":
    several = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    coverage(several)
    levels(several)
