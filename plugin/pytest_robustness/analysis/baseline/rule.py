"""The gate's rule: did a candidate become less robust than the baseline, condition by condition?

Both models answered the same images. A condition fails where the images show that accuracy fell by more than the
tolerance, or that a class fell, which measures more than the class tolerance. It passes where they show that accuracy
fell by less. Otherwise there are too few images to decide: that is no pass, not even where no image changed.
``docs/statistics.md`` explains the rule, and ``benchmarks/verdicts.py`` measures how often it errs. Differences are
``candidate - baseline``: the baseline is the control of a `McNemarResult`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.image_evidence import image_changes
from pytest_robustness.analysis.limits import require_points
from pytest_robustness.analysis.policy import in_points, significantly_beyond
from pytest_robustness.analysis.statistics import paired_change
from pytest_robustness.analysis.statistics.paired_change import PairedChange, rounded_up
from pytest_robustness.analysis.test_result import CONFIDENCE, Estimate, Outcome, Verdict
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.apart import FallenApart
    from pytest_robustness.analysis.findings import ClassFinding
    from pytest_robustness.analysis.test_result import Correction, ImageChange, McNemarResult, TestResult
    from pytest_robustness.core import Condition


_NAMED = 5


@dataclasses.dataclass(frozen=True)
class GatePolicy:
    """When to fail a candidate.

    Parameters
    ----------
    tolerance
        The drop of accuracy, in points, that is accepted under any condition.
    alpha
        The level of the tests, after correction.
    correction
        Over the conditions, of the tests that fail one.
    class_tolerance
        The drop of a class's accuracy, in points, that is accepted under any condition.

    Raises
    ------
    OptionError
        If a tolerance is not above 0 and at most 100.
    """

    tolerance: float = 1.0
    alpha: float = 0.05
    correction: Correction = "holm"
    class_tolerance: float = 10.0

    def __post_init__(self) -> None:
        for name in ("tolerance", "class_tolerance"):
            require_points(name.replace("_", "-"), getattr(self, name))

    def of_many(self, tests: int) -> GatePolicy:
        """Return the policy with the level of one of so many tests that share this one's."""
        return dataclasses.replace(self, alpha=self.alpha / max(tests, 1))


def fell(result: TestResult, tolerance: float, alpha: float) -> bool:
    """Whether a class's accuracy fell significantly at ``alpha``, and by more than ``tolerance`` measured points."""
    return -result.difference > tolerance and result.rejects(alpha)


def rose(result: TestResult, alpha: float) -> bool:
    """Whether accuracy rose significantly at ``alpha``."""
    return result.difference > 0 and result.rejects(alpha)


class Evidence(NamedTuple):
    """What the images say of one condition.

    ``p_worse`` is the p-value of the hypothesis that accuracy fell by no more than the tolerance, corrected over the
    conditions: a small one shows a loss. ``p_kept`` is that of the hypothesis that it fell by at least as much: a small
    one excludes such a loss. ``change`` has the interval of level 1 - 2 alpha.
    """

    change: ImageChange
    p_worse: float
    p_kept: float


def evidence(results: Sequence[McNemarResult], policy: GatePolicy) -> list[Evidence]:
    """Return what the images say of each condition; the conditions are one family."""
    lost, gained, n = (np.array([getattr(result, name) for result in results]) for name in ("lost", "gained", "n"))
    images = np.maximum(n, 1)
    paired = PairedChange(lost / images, gained / images, n.astype(np.float64))
    tolerance = policy.tolerance / 100
    # A fall is shown after correction; Holm's first step suffices for any.
    strict = policy.alpha / (1 if policy.correction == "none" else max(len(results), 1))
    kept, fallen = (paired_change.images_to_decide(paired, -tolerance, level) for level in (policy.alpha, strict))
    needed = np.where(paired.value < -tolerance, fallen, kept)
    changes = image_changes(paired, lost, gained, n, policy.alpha, needed)
    p_worse = statistics.correct(paired_change.p_below(paired, -tolerance), policy.correction)
    p_kept = paired_change.p_above(paired, -tolerance)
    return [Evidence(*row) for row in zip(changes, p_worse.tolist(), p_kept.tolist(), strict=True)]


@dataclasses.dataclass(frozen=True)
class ConditionComparison:
    """The comparison of a candidate with a baseline's model under one condition.

    ``beyond_control`` is the change less that of control (`beyond_control`), ``None`` for control itself. ``fallen``
    lists the classes that fell by more than the tolerance and significantly, worst first; ``broken`` those of them that
    fell by more than the class tolerance, each of which fails the condition. ``unshown`` lists those that fell by more
    than the class tolerance on the images, which are too few to show it; ``blind`` those of which the baseline gets so
    few images right that not even the loss of all would be significant. ``withheld`` says why no pass may rest on the
    comparison, and is empty where one may; ``apart`` says what fell on images which the baseline lacks.
    """

    condition: Condition
    result: McNemarResult
    evidence: Evidence
    beyond_control: Estimate | None
    verdict: Verdict
    improved: bool
    fallen: tuple[ClassFinding, ...]
    broken: tuple[ClassFinding, ...]
    unshown: tuple[ClassFinding, ...] = ()
    blind: tuple[ClassFinding, ...] = ()
    withheld: str = ""
    apart: FallenApart | None = None


@dataclasses.dataclass(frozen=True)
class CandidateComparison:
    """The comparison under every condition, control first, and the verdict over all of them."""

    policy: GatePolicy
    conditions: tuple[ConditionComparison, ...]
    verdict: Verdict


def judge(found: Evidence, broken: Sequence[ClassFinding], policy: GatePolicy) -> Verdict:
    """Judge the comparison under one condition.

    FAIL: a drop within the tolerance is rejected, or a class fell significantly and measures more than the class
    tolerance. PASS: a drop of the tolerance or more is rejected. INCONCLUSIVE: the rest. By its accuracy a true drop of
    just the tolerance therefore fails in at most alpha of the runs (some condition of all, with Holm's correction), and
    passes in at most alpha. A class that truly fell by less than the class tolerance may fail more often.

    Parameters
    ----------
    found
        Over all images.
    broken
        The classes that fell by more than the class tolerance.
    policy
        The tolerances and the level.
    """
    change, tolerance = found.change, f"{policy.tolerance:g}"
    interval = f"{change.level:g} % interval {change.low:+.2f} to {change.high:+.2f}"
    if found.p_worse < policy.alpha:
        fall = _beside(-change.difference, policy.tolerance)
        reason = f"accuracy fell {fall} points, more than the tolerance of {tolerance}; {_p(found, policy)}; {interval}"
        return Verdict(Outcome.FAIL, f"{reason}; {_broken_text(broken, policy)}" if broken else reason)
    if broken:
        return Verdict(
            Outcome.FAIL, f"{_broken_text(broken, policy)}; over all classes {change.difference:+.2f} points"
        )
    if found.p_kept < policy.alpha:
        return Verdict(
            Outcome.PASS,
            f"a drop of more than {in_points(policy.tolerance)} is excluded: {change.difference:+.2f} ({interval})",
        )
    return Verdict(Outcome.INCONCLUSIVE, _undecided(found, policy, interval))


def right_before(finding: ClassFinding) -> int:
    """Return how many images of a class the baseline's model gets right: no other can be lost."""
    return round(finding.result.n * finding.result.control / 100) if finding.result.n else 0


def with_unshown(
    verdict: Verdict, unshown: Sequence[ClassFinding], blind: Sequence[ClassFinding], policy: GatePolicy
) -> Verdict:
    """Return a verdict that is no FAIL with what it does not exclude: falls of classes that are not shown."""
    if verdict.outcome is Outcome.FAIL or not (unshown or blind):
        return verdict
    parts = [verdict.reason]
    if unshown:
        listed = abridged([f"{c.name} {c.result.difference:+.1f} (n = {c.result.n:,})" for c in unshown], _NAMED)
        falls = f"falls of classes by more than {in_points(policy.class_tolerance)}"
        parts.append(f"too few images to show or exclude {falls}: {listed}")
    if blind:
        have = counted(len(blind), "class has", "classes have")
        named = abridged(blind, _NAMED, lambda c: f"{c.name} ({right_before(c):,} of {c.result.n:,})")
        parts.append(f"{have} too few images that the baseline gets right to show any fall: {named}")
    return Verdict(verdict.outcome, "; ".join(parts))


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
    reason = f"a drop of more than {in_points(policy.tolerance)} is excluded in {len(comparisons)} conditions"
    return Verdict(Outcome.PASS, f"{reason}; better in {', '.join(better)}" if better else reason)


def beyond_control(
    baseline_control: NDArray[np.bool_],
    candidate_control: NDArray[np.bool_],
    baseline: NDArray[np.bool_],
    candidate: NDArray[np.bool_],
) -> Estimate:
    """Return the difference in differences: how much more accuracy changed under a condition than in control.

    Each image gives ``(candidate - baseline) - (candidate_control - baseline_control)``, one of -2 to 2; the estimate
    is their mean. The interval is the normal approximation for a mean, good from some hundred images on, with an
    image added that changed in each direction, so that a few images that all give the same are no certainty.

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
    # As `paired_change` does, an image is added that changed by 100 points in each direction.
    size = len(per_image) + 2
    squares = float(np.square(per_image - value).sum()) + 2 * 100.0**2
    half = float(stats.norm.isf((1 - CONFIDENCE) / 2)) * math.sqrt(squares / (size - 1) / size)
    return Estimate(value, value - half, value + half)


def _undecided(found: Evidence, policy: GatePolicy, interval: str) -> str:
    """Return why nothing can be said, and how many images or what tolerance would help."""
    change = found.change
    if not change.n:
        return "no image could be compared"
    too_few = f"{counted(change.n, 'image is', 'images are')} too few to decide"
    reason = f"{too_few} on a drop of {in_points(policy.tolerance)}: {change.difference:+.2f} ({interval})"
    advice = f"tolerate {math.ceil(-10 * change.low) / 10:g}"
    needed = rounded_up(max(change.needed, change.n + 1))
    if needed is None:
        return f"{reason}; the drop is at the tolerance: {advice}"
    return f"{reason}; compare on about {needed:,} images, or {advice}"


def _broken_text(broken: Sequence[ClassFinding], policy: GatePolicy) -> str:
    listed = abridged([f"{c.name} {c.result.difference:+.1f}" for c in broken], _NAMED)
    fell = f"{counted(len(broken), 'class', 'classes')} fell {significantly_beyond(policy.class_tolerance)}"
    return f"{fell}: {listed}"


def _p(found: Evidence, policy: GatePolicy) -> str:
    return f"{'p' if policy.correction == 'none' else 'corrected p'} = {found.p_worse:.2g}"


def _beside(points: float, tolerance: float) -> str:
    """Return ``points`` to one decimal, or to as many as show on which side of the tolerance they lie."""
    texts = (f"{points:.{digits}f}" for digits in range(1, 18))
    return next((text for text in texts if (float(text) > tolerance) == (points > tolerance)), repr(points))
