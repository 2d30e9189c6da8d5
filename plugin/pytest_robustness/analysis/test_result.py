"""What a statistical test says, and the verdict on it."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple

Correction = Literal["none", "bh", "holm"]

CONFIDENCE = 0.95
"""The level of every interval."""


@dataclasses.dataclass(frozen=True)
class TestResult:
    """What every two-sided test of control against treated says, whatever its kind.

    ``n`` counts the observations in each group, ``control`` and ``treated`` are their means in percent, and
    ``difference`` is ``treated - control`` in points with its 95 % interval. ``detectable_drop`` is the smallest drop,
    in points, that the test would detect with 80 % power. NaN: too few observations to compute the figure.
    """

    __test__: ClassVar[bool] = False

    n: int
    control: float
    treated: float
    difference: float
    ci_low: float
    ci_high: float
    effect_size: float
    p_value: float
    p_adjusted: float
    detectable_drop: float

    def rejects(self, alpha: float) -> bool:
        """Whether the null hypothesis is rejected at ``alpha``, after correction; NaN never rejects."""
        return self.p_adjusted < alpha

    @property
    def conclusive(self) -> bool:
        """Whether there were enough observations to test at all."""
        return not math.isnan(self.p_adjusted)


@dataclasses.dataclass(frozen=True)
class TTestResult(TestResult):
    """A t-test between accuracies: which of the three, its statistic t, and its degrees of freedom."""

    statistic: float
    df: float
    test: Literal["independent", "welch", "paired"]


@dataclasses.dataclass(frozen=True)
class McNemarResult(TestResult):
    """McNemar's exact test of answers to the same images.

    ``lost`` counts the images that only control gets right, ``gained`` those that only treated gets right. The effect
    size is Cohen's g. ``detectable_drop`` assumes that as many images change as did.
    """

    lost: int
    gained: int

    test: ClassVar[Literal["mcnemar"]] = "mcnemar"
    df: ClassVar[float] = math.nan
    """The exact test has no degrees of freedom."""

    @property
    def statistic(self) -> float:
        """The number of images lost; NaN for fewer than two images."""
        return float(self.lost) if self.n > 1 else math.nan


AnyTestResult = TTestResult | McNemarResult


class Outcome(StrEnum):
    """The outcome of a test; an error is none of these."""

    PASS = "PASS"  # noqa: S105 (no password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Verdict(NamedTuple):
    """An outcome and its reason in one sentence."""

    outcome: Outcome
    reason: str


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """Whether a difference lies within ``margin`` points of zero.

    ``p_value`` is that of the two one-sided tests: the larger of the two. ``ci_low`` and ``ci_high`` bound the interval
    of level 1 - 2 alpha, which lies within the margin exactly where ``p_value`` is below alpha. NaN: fewer than two
    observations.
    """

    margin: float
    alpha: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    verdict: Verdict


MaxSensitive = Literal["chance"] | int | float
"""How many sensitive classes a class test allows: by chance, a count (int), or a fraction of the classes (float)."""
