"""What a statistical test says, and the verdict on it."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple

TestKind = Literal["independent", "welch", "paired", "mcnemar"]
Correction = Literal["none", "bh", "holm"]

CONFIDENCE = 0.95
"""The level of every interval."""


@dataclasses.dataclass(frozen=True)
class TestResult:
    """One two-sided test of control against a condition.

    ``n`` counts the observations in each group, ``control`` and ``treated`` are their means in percent, and
    ``difference`` is ``treated - control`` in points with its 95 % interval. ``detectable_drop`` is the smallest drop,
    in points, that the test would see with 80 % power. NaN stands for what cannot be told from so few observations.
    """

    __test__: ClassVar[bool] = False

    test: TestKind
    n: int
    control: float
    treated: float
    difference: float
    ci_low: float
    ci_high: float
    effect_size: float
    statistic: float
    df: float
    p_value: float
    p_adjusted: float
    detectable_drop: float

    def rejects(self, alpha: float) -> bool:
        """Whether the null hypothesis is rejected at ``alpha``, after correction; NaN never rejects."""
        return self.p_adjusted < alpha

    @property
    def conclusive(self) -> bool:
        """Whether there were observations enough to test at all."""
        return not math.isnan(self.p_adjusted)


class Outcome(StrEnum):
    """What a test says; an error is none of these."""

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
    of level 1 - 2 alpha, which lies within the margin exactly where ``p_value`` is below alpha. NaN stands for what
    cannot be told from fewer than two observations.
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
