"""The gate: whether a candidate got less robust than the baseline, condition by condition.

Both models answered the same images. A condition fails when the candidate's accuracy fell by more than the tolerance
and the fall is significant after correction over the conditions. It passes when such a fall can be excluded, or when
the test was sharp enough to see one. In between the images were too few to tell: that is no pass.
``docs/statistics.md`` explains the rule, and ``benchmarks/gate.py`` measures how often it errs. Differences are
``candidate - baseline``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from pytest_robustness.analysis.test_result import CONFIDENCE, Outcome, Verdict
from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.test_result import Correction, TestResult
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True)
class GatePolicy:
    """When to fail a candidate.

    Parameters
    ----------
    tolerance
        The drop of accuracy, in points, that is accepted under any condition, and in any class.
    alpha
        The level of the tests, after correction.
    correction
        Over the conditions.

    Raises
    ------
    OptionError
        If the tolerance is not above 0 and at most 100.
    """

    tolerance: float = 1.0
    alpha: float = 0.05
    correction: Correction = "holm"

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 100:
            raise OptionError(
                f"tolerance is {self.tolerance:g}. Valid: points of accuracy above 0, up to 100, such as 1.0; "
                "no number of images could rule out every drop."
            )


@dataclasses.dataclass(frozen=True)
class Change:
    """How the accuracy differs between two models on the same ``n`` images, of all classes or of one.

    ``baseline`` and ``candidate`` are accuracies in percent; ``difference`` is in points, with its 95 % interval
    (Bonett and Price). ``lost`` counts the images that only the baseline gets right, ``gained`` those that only the
    candidate does; the p-value is that of McNemar's exact test. ``detectable_drop`` is the smallest drop, in points,
    that this test alone, uncorrected, would see with 80 % power when as many images differ as did. NaN stands for what
    cannot be told.
    """

    n: int
    baseline: float
    candidate: float
    difference: float
    ci_low: float
    ci_high: float
    lost: int
    gained: int
    p_value: float
    p_adjusted: float
    detectable_drop: float

    @classmethod
    def of(cls, result: TestResult) -> Change:
        """Return the change that McNemar's test of a baseline (its control) and a candidate (treated) found."""
        net = round(result.n * result.difference / 100) if result.n else 0
        lost = max(0, -net) if math.isnan(result.statistic) else int(result.statistic)
        return cls(
            n=result.n,
            baseline=result.control,
            candidate=result.treated,
            difference=result.difference,
            ci_low=result.ci_low,
            ci_high=result.ci_high,
            lost=lost,
            gained=lost + net,
            p_value=result.p_value,
            p_adjusted=result.p_adjusted,
            detectable_drop=result.detectable_drop,
        )

    def fell(self, policy: GatePolicy) -> bool:
        """Whether accuracy fell by more than the tolerance, and significantly."""
        return -self.difference > policy.tolerance and self.p_adjusted < policy.alpha

    def rose(self, policy: GatePolicy) -> bool:
        """Whether accuracy rose significantly."""
        return self.difference > 0 and self.p_adjusted < policy.alpha


class Estimate(NamedTuple):
    """A difference in points with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class ClassFall:
    """A class whose accuracy fell by more than the tolerance, and significantly."""

    index: int
    name: str
    change: Change


@dataclasses.dataclass(frozen=True)
class ConditionChange:
    """What the gate says of one condition.

    ``beyond_control`` is the change less that of control (`beyond_control`), ``None`` for control itself: it tells a
    model that is weaker everywhere from one that bends more. ``fallen`` lists classes, worst first; they do not decide.
    """

    condition: Condition
    change: Change
    beyond_control: Estimate | None
    verdict: Verdict
    improved: bool
    fallen: tuple[ClassFall, ...]


@dataclasses.dataclass(frozen=True)
class GateResult:
    """What the gate says of a candidate: every condition, control first, and all of them together."""

    policy: GatePolicy
    conditions: tuple[ConditionChange, ...]
    verdict: Verdict


def judge(change: Change, policy: GatePolicy) -> Verdict:
    """Judge the change under one condition.

    The rule, in this order:

    1. FAIL: accuracy fell by more than the tolerance, and significantly.
    2. PASS: it rose significantly; or both models are right on the same images; or the interval excludes a drop beyond
       the tolerance; or the drop is within the tolerance and the images were enough to see one of the tolerance with
       80 % power (``detectable_drop``).
    3. INCONCLUSIVE: the rest. A drop beyond the tolerance that chance explains is therefore never a pass.

    The correction guards against a false FAIL among many conditions. A PASS speaks for its own condition, so the power
    is that of its own test: with as few images as allow a PASS, a true drop of 1.3 times the tolerance passes 20 % of
    the time, one of twice the tolerance 0.3 %.

    Parameters
    ----------
    change
        Over all images, its p corrected over the conditions, its ``detectable_drop`` at the policy's alpha.
    policy
        The tolerance and the level.
    """
    drop, p = -change.difference, f"{_p_name(change)} = {change.p_adjusted:.2g}"
    tolerance = f"{policy.tolerance:g}"
    if change.n < 2:
        return Verdict(Outcome.INCONCLUSIVE, f"{change.n} of the 2 images that a comparison needs")
    if change.fell(policy):
        fall = _beside(drop, policy.tolerance)
        return Verdict(Outcome.FAIL, f"accuracy fell {fall} points, more than the tolerance of {tolerance}; {p}")
    if change.rose(policy):
        return Verdict(Outcome.PASS, f"accuracy rose {_beside(-drop, policy.tolerance)} points; {p}")
    if change.lost == change.gained == 0:
        return Verdict(Outcome.PASS, f"right and wrong on the same images, all {change.n} of them")
    if change.ci_low >= -policy.tolerance:
        interval = f"95 % interval {change.ci_low:+.2f} to {change.ci_high:+.2f}"
        return Verdict(
            Outcome.PASS, f"a drop of more than {tolerance} points is excluded: {change.difference:+.2f} ({interval})"
        )
    if drop <= policy.tolerance and change.detectable_drop <= policy.tolerance:
        seen = f"a drop of {change.detectable_drop:.2f} would have been seen 80 % of the time"
        return Verdict(Outcome.PASS, f"{change.difference:+.2f} points, within the tolerance of {tolerance}; {seen}")
    return Verdict(Outcome.INCONCLUSIVE, _undecided(change, policy, p))


def judge_all(changes: Sequence[ConditionChange], policy: GatePolicy) -> Verdict:
    """Judge the candidate: FAIL if any condition failed, else INCONCLUSIVE if any is, else PASS."""
    named = {
        outcome: [str(change.condition) for change in changes if change.verdict.outcome is outcome]
        for outcome in Outcome
    }
    failed, undecided = named[Outcome.FAIL], named[Outcome.INCONCLUSIVE]
    if failed:
        reason = f"less robust than the baseline in {len(failed)} of {len(changes)} conditions: {', '.join(failed)}"
        return Verdict(Outcome.FAIL, f"{reason}; {len(undecided)} inconclusive" if undecided else reason)
    if undecided:
        where = f"{len(undecided)} of {len(changes)} conditions: {', '.join(undecided)}"
        return Verdict(Outcome.INCONCLUSIVE, f"too few images to tell in {where}")
    better = [str(change.condition) for change in changes if change.improved]
    reason = f"no drop of more than {policy.tolerance:g} points in {len(changes)} conditions"
    return Verdict(Outcome.PASS, f"{reason}; better in {', '.join(better)}" if better else reason)


def beyond_control(
    baseline_control: NDArray[np.bool_],
    candidate_control: NDArray[np.bool_],
    baseline: NDArray[np.bool_],
    candidate: NDArray[np.bool_],
) -> Estimate:
    """Return the difference in differences: how much more accuracy changed under a condition than in control.

    Each image gives ``(candidate - baseline) - (candidate_control - baseline_control)``, one of -2 to 2; the estimate
    is their mean. The interval is the normal approximation for a mean, good from some hundred images on; it has no
    width where all images give the same.

    Parameters
    ----------
    baseline_control, candidate_control, baseline, candidate
        Whether each model was right on each image, in control and under the condition: bool [n].
    """
    signed = [np.asarray(right, dtype=np.int8) for right in (candidate, baseline, candidate_control, baseline_control)]
    per_image = 100.0 * ((signed[0] - signed[1]) - (signed[2] - signed[3]))
    if len(per_image) < 2:
        return Estimate(float(per_image.mean()) if len(per_image) else math.nan, math.nan, math.nan)
    value = float(per_image.mean())
    standard_error = float(per_image.std(ddof=1)) / math.sqrt(len(per_image))
    half = float(stats.norm.isf((1 - CONFIDENCE) / 2)) * standard_error
    return Estimate(value, value - half, value + half)


def _undecided(change: Change, policy: GatePolicy, p: str) -> str:
    """Return why nothing can be said, and how many images or what tolerance would help."""
    if math.isnan(change.p_value):
        reason = f"of {change.n} images no change could be significant"
    elif -change.difference > policy.tolerance:
        fall = _beside(-change.difference, policy.tolerance)
        reason = f"accuracy fell {fall} points, more than the tolerance of {policy.tolerance:g}, but {p}"
    else:
        reason = f"{change.n} images are too few to see a drop of {policy.tolerance:g} points"
    if math.isnan(change.detectable_drop) or change.detectable_drop <= policy.tolerance:
        return f"{reason}; compare on more images"
    needed = change.n * (change.detectable_drop / policy.tolerance) ** 2
    unit = 10 ** (math.floor(math.log10(needed)) - 1)
    images = math.ceil(needed / unit) * unit
    return f"{reason}; compare on about {images} images, or tolerate {math.ceil(10 * change.detectable_drop) / 10:g}"


def _p_name(change: Change) -> str:
    return "p" if change.p_adjusted == change.p_value else "corrected p"


def _beside(points: float, tolerance: float) -> str:
    """Return ``points`` to one decimal, or to as many as show on which side of the tolerance they lie."""
    texts = (f"{points:.{digits}f}" for digits in range(1, 18))
    return next((text for text in texts if (float(text) > tolerance) == (points > tolerance)), repr(points))
