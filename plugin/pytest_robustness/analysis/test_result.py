"""What a statistical test says, and the verdict on it."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple

Correction = Literal["none", "bh", "holm"]

CONFIDENCE = 0.95
"""The level of the intervals that stand beside a test; those that decide have 1 - 2 alpha."""


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

    @property
    def constant(self) -> bool:
        """Whether the observations have no spread, so that there is no t-test of them."""
        return self.n > 1 and math.isnan(self.statistic)


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


class Estimate(NamedTuple):
    """A figure in points with its interval; who makes it says of which level."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class ImageChange:
    """How one model's accuracy changed on the same images, whichever of two ways of answering them is compared.

    ``n`` counts the images, of which ``lost`` are right in the first way only and ``gained`` in the second only.
    ``difference`` is the mean change in points, with its interval of level 1 - 2 ``alpha``. ``p_value`` is that of
    McNemar's exact test. ``needed`` says how many images would show the change to lie within the margin, or beyond it,
    if as large a share changed; infinite where it lies at the margin. ``over_classes``: ``difference`` is a mean over
    classes of different sizes, and so no change of top-1 accuracy.
    """

    n: int
    lost: int
    gained: int
    difference: float
    low: float
    high: float
    alpha: float
    p_value: float
    needed: float
    over_classes: bool = False

    @property
    def level(self) -> float:
        """The level of the interval, in percent."""
        return 100 * (1 - 2 * self.alpha)

    def within(self, margin: float) -> bool:
        """Whether the interval lies within ``margin`` points of no change."""
        return -margin < self.low and self.high < margin

    def beyond(self, margin: float) -> bool:
        """Whether the interval lies wholly more than ``margin`` points from no change."""
        return self.high < -margin or self.low > margin


@dataclasses.dataclass(frozen=True)
class ClassImages:
    """What the images of one class show, over all models of a class test: the sign-flip test.

    ``n`` counts the images, ``difference`` is the change of accuracy averaged over the models, in points, and
    ``p_adjusted`` is corrected over the classes by Holm's method. ``right`` counts the images that some model gets
    right in control: no other can be lost. A class is ``blind`` where these are so few that not even the loss of all by
    all models would be significant beside what the other classes show; one that is significant never is. ``pooled`` is
    the change, drawn towards that of the other classes by its noise, with its 90 % interval: what to expect on other
    images.
    """

    n: int
    difference: float
    p_value: float
    p_adjusted: float
    blind: bool
    pooled: Estimate
    right: int

    def significant(self, alpha: float) -> bool:
        """Whether the images show a change at ``alpha``."""
        return self.p_adjusted < alpha


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFall:
    """The fall of one class in one model: McNemar's exact test, corrected by Holm's method over models and classes.

    ``index`` and ``name`` are the class's, ``n`` counts its images, ``difference`` is the change in points.
    """

    model: str
    index: int
    name: str
    n: int
    difference: float
    p_adjusted: float


VerdictRule = Literal["strict", "article", "margin"]
"""What decides a test: the t-test and the images, the t-test alone as in the article, or the images alone."""

MaxSensitive = Literal["chance"] | int | float
"""How many sensitive classes a class test allows: by chance, a count (int), or a fraction of the classes (float)."""
