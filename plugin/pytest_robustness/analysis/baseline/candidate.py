"""Compare a candidate with a baseline model on the same images, under every condition."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.baseline import rule
from pytest_robustness.analysis.baseline.apart import NOTHING_FELL, with_apart, withheld
from pytest_robustness.analysis.findings import ClassFinding, worst_first
from pytest_robustness.analysis.statistics.sign_flips import fewest_significant
from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.apart import FallenApart
    from pytest_robustness.analysis.baseline.rule import CandidateComparison, ConditionComparison, Evidence, GatePolicy
    from pytest_robustness.analysis.test_result import McNemarResult
    from pytest_robustness.core import Condition

    Correct = Mapping[Condition, NDArray[np.bool_]]
    """Whether a model was right on each image, by condition: bool [N]."""


def compare_models(
    baseline: Correct,
    candidate: Correct,
    *,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    policy: GatePolicy,
    images: NDArray[np.bool_] | None = None,
    apart: Mapping[Condition, FallenApart] = MappingProxyType({}),
) -> CandidateComparison:
    """Compare a candidate with a baseline model on the same images, under every condition of the candidate.

    Parameters
    ----------
    baseline, candidate
        Bool [N] by condition, control included; the baseline may have more conditions.
    labels
        The class of each image: int64 [N].
    classes
        The names of the classes.
    policy
        The tolerances, the level, and the correction over the conditions. The p-values of the classes are corrected by
        Holm's method, all classes of all conditions together: the chance that any class is listed wrongly anywhere in
        the result is at most alpha.
    images
        Which images both models could read: bool [N]. ``None``: all.
    apart
        What fell on images which the baseline lacks, by condition.

    Raises
    ------
    KeyError
        When a condition of the candidate, or control, has no answers.
    """
    chosen = np.ones(len(labels), np.bool_) if images is None else images
    conditions = [CONTROL, *(condition for condition in candidate if condition != CONTROL)]
    pairs = {c: (baseline[c][chosen], candidate[c][chosen]) for c in conditions}
    overall = [statistics.mcnemar(*pairs[c], alpha=policy.alpha) for c in conditions]
    by_class = [
        statistics.mcnemar_by_class(*pairs[c], labels[chosen], len(classes), alpha=policy.alpha) for c in conditions
    ]
    adjusted = statistics.adjust([result for results in by_class for result in results], "holm")
    found = rule.evidence(overall, policy)
    overall = statistics.adjust(overall, policy.correction)
    shown = np.array([result.p_value for result in adjusted if result.n > 0])
    fewest = fewest_significant(policy.alpha, shown)
    of_condition = [_findings(adjusted[i * len(classes) :][: len(classes)], classes) for i in range(len(conditions))]
    comparisons = tuple(
        _condition(c, pairs, result, said, findings, policy, fewest, apart.get(c, NOTHING_FELL))
        for c, result, said, findings in zip(conditions, overall, found, of_condition, strict=True)
    )
    return rule.CandidateComparison(policy, comparisons, rule.judge_all(comparisons, policy))


def _condition(
    condition: Condition,
    pairs: Mapping[Condition, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    result: McNemarResult,
    found: Evidence,
    classes: Sequence[ClassFinding],
    policy: GatePolicy,
    fewest: int,
    apart: FallenApart,
) -> ConditionComparison:
    """Judge one condition; a class of which the baseline gets fewer than ``fewest`` images right can show no fall."""
    fallen, broken = (
        tuple(worst_first(c for c in classes if rule.fell(c.result, points, policy.alpha)))
        for points in (policy.tolerance, policy.class_tolerance)
    )
    deep = [c for c in classes if -c.result.difference > policy.class_tolerance]
    unshown = tuple(worst_first(c for c in deep if not c.result.rejects(policy.alpha)))
    blind = tuple(
        c for c in classes if c.result.n and rule.right_before(c) < fewest and not c.result.rejects(policy.alpha)
    )
    verdict = with_apart(rule.judge(found, broken, policy), apart)
    return rule.ConditionComparison(
        condition=condition,
        result=result,
        evidence=found,
        beyond_control=None if condition == CONTROL else rule.beyond_control(*pairs[CONTROL], *pairs[condition]),
        verdict=rule.with_unshown(verdict, unshown, blind, policy),
        improved=rule.rose(result, policy.alpha),
        fallen=fallen,
        broken=broken,
        unshown=unshown,
        blind=blind,
        withheld=withheld(result.n, apart, policy, len(pairs)),
        apart=apart,
    )


def _findings(results: Sequence[McNemarResult], classes: Sequence[str]) -> list[ClassFinding]:
    return [ClassFinding(i, classes[i], result) for i, result in enumerate(results)]
