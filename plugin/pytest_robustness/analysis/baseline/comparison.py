"""From two models' answers on the same images to what the gate says: the tests, their correction, the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.baseline import rule
from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.rule import ClassFall, ConditionChange, GatePolicy, GateResult
    from pytest_robustness.analysis.test_result import TestResult
    from pytest_robustness.core import Condition

    Answers = Mapping[Condition, NDArray[np.bool_]]
    """Whether a model was right on each image, by condition: bool [N]."""


def compare_models(
    baseline: Answers,
    candidate: Answers,
    *,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    policy: GatePolicy,
    images: NDArray[np.bool_] | None = None,
) -> GateResult:
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
        The tolerance, the level, and the correction over the conditions. The p-values of the classes are corrected by
        Benjamini-Hochberg, all classes of all conditions together: of the classes listed anywhere in the result, the
        share that is listed wrongly is expected to be at most alpha.
    images
        Which images both models could read: bool [N]. ``None``: all.

    Raises
    ------
    KeyError
        When a condition of the candidate, or control, has no answers.
    """
    chosen = np.ones(len(labels), np.bool_) if images is None else images
    conditions = [CONTROL, *(condition for condition in candidate if condition != CONTROL)]
    answers = {c: (baseline[c][chosen], candidate[c][chosen]) for c in conditions}
    overall = [statistics.mcnemar(*answers[c], alpha=policy.alpha) for c in conditions]
    by_class = [
        statistics.mcnemar_by_class(*answers[c], labels[chosen], len(classes), alpha=policy.alpha) for c in conditions
    ]
    adjusted = statistics.adjust([result for results in by_class for result in results], "bh")
    changes = tuple(
        _condition(c, answers, result, _fallen(adjusted[i * len(classes) :][: len(classes)], classes, policy), policy)
        for i, (c, result) in enumerate(zip(conditions, statistics.adjust(overall, policy.correction), strict=True))
    )
    return rule.GateResult(policy, changes, rule.judge_all(changes, policy))


def _condition(
    condition: Condition,
    answers: Mapping[Condition, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    result: TestResult,
    fallen: tuple[ClassFall, ...],
    policy: GatePolicy,
) -> ConditionChange:
    change = rule.Change.of(result)
    beyond = None if condition == CONTROL else rule.beyond_control(*answers[CONTROL], *answers[condition])
    return rule.ConditionChange(condition, change, beyond, rule.judge(change, policy), change.rose(policy), fallen)


def _fallen(results: Sequence[TestResult], classes: Sequence[str], policy: GatePolicy) -> tuple[ClassFall, ...]:
    """Return the classes that fell, those that fell most first."""
    changes = [rule.Change.of(result) for result in results]
    falls = [rule.ClassFall(i, classes[i], change) for i, change in enumerate(changes) if change.fell(policy)]
    return tuple(sorted(falls, key=lambda fall: fall.change.difference))
