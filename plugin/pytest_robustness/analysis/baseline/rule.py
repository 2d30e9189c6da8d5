"""The gate's rule: did a candidate become less robust than the baseline, condition by condition?

Both models answered the same images. A condition fails when the candidate's accuracy fell by more than the tolerance
and the fall is significant after correction over the conditions. It passes when such a fall can be excluded, or when
the test was powerful enough to detect one. Otherwise there were too few images to decide: that is no pass.
``docs/statistics.md`` explains the rule, and ``benchmarks/gate.py`` measures how often it errs. Differences are
``candidate - baseline``: the baseline is the control of a `McNemarResult`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pytest_robustness.analysis.findings import Estimate
from pytest_robustness.analysis.test_result import CONFIDENCE, Outcome, Verdict
from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassFinding
    from pytest_robustness.analysis.test_result import Correction, McNemarResult
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


def fell(result: McNemarResult, policy: GatePolicy) -> bool:
    """Whether accuracy fell by more than the tolerance, and significantly."""
    return -result.difference > policy.tolerance and result.rejects(policy.alpha)


def rose(result: McNemarResult, policy: GatePolicy) -> bool:
    """Whether accuracy rose significantly."""
    return result.difference > 0 and result.rejects(policy.alpha)


@dataclasses.dataclass(frozen=True)
class ConditionComparison:
    """The comparison of a candidate with a baseline's model under one condition.

    ``beyond_control`` is the change less that of control (`beyond_control`), ``None`` for control itself. ``fallen``
    lists the classes that fell by more than the tolerance and significantly, worst first; they do not decide.
    """

    condition: Condition
    result: McNemarResult
    beyond_control: Estimate | None
    verdict: Verdict
    improved: bool
    fallen: tuple[ClassFinding, ...]


@dataclasses.dataclass(frozen=True)
class CandidateComparison:
    """The comparison under every condition, control first, and the verdict over all of them."""

    policy: GatePolicy
    conditions: tuple[ConditionComparison, ...]
    verdict: Verdict


def judge(result: McNemarResult, policy: GatePolicy) -> Verdict:
    """Judge the comparison under one condition.

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
    result
        Over all images, its p corrected over the conditions, its ``detectable_drop`` at the policy's alpha.
    policy
        The tolerance and the level.
    """
    drop, p = -result.difference, f"{_p_name(result)} = {result.p_adjusted:.2g}"
    tolerance = f"{policy.tolerance:g}"
    if result.n < 2:
        return Verdict(Outcome.INCONCLUSIVE, f"{result.n} of the 2 images that a comparison needs")
    if fell(result, policy):
        fall = _beside(drop, policy.tolerance)
        return Verdict(Outcome.FAIL, f"accuracy fell {fall} points, more than the tolerance of {tolerance}; {p}")
    if rose(result, policy):
        return Verdict(Outcome.PASS, f"accuracy rose {_beside(-drop, policy.tolerance)} points; {p}")
    if result.lost == result.gained == 0:
        return Verdict(Outcome.PASS, f"right and wrong on the same images, all {result.n} of them")
    if result.ci_low >= -policy.tolerance:
        interval = f"95 % interval {result.ci_low:+.2f} to {result.ci_high:+.2f}"
        return Verdict(
            Outcome.PASS, f"a drop of more than {tolerance} points is excluded: {result.difference:+.2f} ({interval})"
        )
    if drop <= policy.tolerance and result.detectable_drop <= policy.tolerance:
        seen = f"a drop of {result.detectable_drop:.2f} would have been seen 80 % of the time"
        return Verdict(Outcome.PASS, f"{result.difference:+.2f} points, within the tolerance of {tolerance}; {seen}")
    return Verdict(Outcome.INCONCLUSIVE, _undecided(result, policy, p))


def judge_all(comparisons: Sequence[ConditionComparison], policy: GatePolicy) -> Verdict:
    """Judge the candidate: FAIL if any condition failed, else INCONCLUSIVE if any is, else PASS."""
    named = {
        outcome: [str(comparison.condition) for comparison in comparisons if comparison.verdict.outcome is outcome]
        for outcome in Outcome
    }
    failed, undecided = named[Outcome.FAIL], named[Outcome.INCONCLUSIVE]
    if failed:
        reason = f"less robust than the baseline in {len(failed)} of {len(comparisons)} conditions: {', '.join(failed)}"
        return Verdict(Outcome.FAIL, f"{reason}; {len(undecided)} inconclusive" if undecided else reason)
    if undecided:
        where = f"{len(undecided)} of {len(comparisons)} conditions: {', '.join(undecided)}"
        return Verdict(Outcome.INCONCLUSIVE, f"too few images to tell in {where}")
    better = [str(comparison.condition) for comparison in comparisons if comparison.improved]
    reason = f"no drop of more than {policy.tolerance:g} points in {len(comparisons)} conditions"
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


def _undecided(result: McNemarResult, policy: GatePolicy, p: str) -> str:
    """Return why nothing can be said, and how many images or what tolerance would help."""
    if math.isnan(result.p_value):
        reason = f"of {result.n} images no change could be significant"
    elif -result.difference > policy.tolerance:
        fall = _beside(-result.difference, policy.tolerance)
        reason = f"accuracy fell {fall} points, more than the tolerance of {policy.tolerance:g}, but {p}"
    else:
        reason = f"{result.n} images are too few to see a drop of {policy.tolerance:g} points"
    if math.isnan(result.detectable_drop) or result.detectable_drop <= policy.tolerance:
        return f"{reason}; compare on more images"
    needed = result.n * (result.detectable_drop / policy.tolerance) ** 2
    unit = 10 ** (math.floor(math.log10(needed)) - 1)
    images = math.ceil(needed / unit) * unit
    return f"{reason}; compare on about {images} images, or tolerate {math.ceil(10 * result.detectable_drop) / 10:g}"


def _p_name(result: McNemarResult) -> str:
    return "p" if result.p_adjusted == result.p_value else "corrected p"


def _beside(points: float, tolerance: float) -> str:
    """Return ``points`` to one decimal, or to as many as show on which side of the tolerance they lie."""
    texts = (f"{points:.{digits}f}" for digits in range(1, 18))
    return next((text for text in texts if (float(text) > tolerance) == (points > tolerance)), repr(points))
