"""Class test: which classes are sensitive to a condition?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis import statistics, verdicts
from pytest_robustness.analysis.findings import ClassFinding, ClassTest
from pytest_robustness.analysis.model_test import accuracies
from pytest_robustness.analysis.predictions import pair, readable_in_both
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.analysis.test_result import AnyTestResult, McNemarResult
    from pytest_robustness.core import Panel


def class_test(source: AnswerSource, panel: Panel, policy: TestPolicy, left_out: tuple[str, ...] = ()) -> ClassTest:
    """Test every class under the panel's condition: over its models, or over the images of its only model.

    Parameters
    ----------
    source
        Holds the answers of all models of ``panel``: this run's, or a baseline's.
    panel
        The condition and the models.
    policy
        How to test, and how many sensitive classes to allow.
    left_out
        Models that were asked for and could not be run: the test then never passes.
    """
    results = _results(source, panel, policy)
    seen = source.counts(Cell(panel.models[0], CONTROL)).n > 0
    names = source.class_names
    findings = [ClassFinding(i, names[i], result) for i, result in enumerate(results) if seen[i]]
    rule = policy.alpha, policy.max_sensitive, policy.correction
    return ClassTest(
        condition=panel.condition,
        models=panel.models,
        classes=tuple(findings),
        sensitive=tuple(finding for finding in findings if finding.result.rejects(policy.alpha)),
        allowed=verdicts.allowed_sensitive(sum(finding.result.conclusive for finding in findings), *rule),
        untested=tuple(name for name, some in zip(names, seen, strict=True) if not some),
        left_out=left_out,
        alpha=policy.alpha,
        verdict=_without(left_out, verdicts.judge_classes([finding.result for finding in findings], *rule)),
    )


def image_results(source: AnswerSource, panel: Panel, policy: TestPolicy) -> list[McNemarResult]:
    """Test every class over the images of the panel's only model: McNemar's exact test, one result per class."""
    control, treated = (source.answers(cell) for cell in pair(panel.models[0], panel.condition))
    both, before, after = readable_in_both(control, treated)
    classes = len(source.class_names)
    results = statistics.mcnemar_by_class(before, after, source.labels[both], classes, alpha=policy.alpha)
    return statistics.adjust(results, policy.correction)


def _results(source: AnswerSource, panel: Panel, policy: TestPolicy) -> Sequence[AnyTestResult]:
    if len(panel.models) == 1:
        return image_results(source, panel, policy)
    control, treated = (accuracies(source, panel.models, c).T for c in (CONTROL, panel.condition))
    results = statistics.compare(control, treated, test=policy.test, alpha=policy.alpha)
    return statistics.adjust(results, policy.correction)


def _without(left_out: Sequence[str], verdict: Verdict) -> Verdict:
    """Return ``verdict``, but never a PASS of a class test that lost a model."""
    if not left_out or verdict.outcome is not Outcome.PASS:
        return verdict
    return Verdict(Outcome.INCONCLUSIVE, f"{verdict.reason}; but {', '.join(left_out)} could not be run")
