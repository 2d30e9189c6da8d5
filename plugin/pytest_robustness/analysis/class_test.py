"""Class test: which classes are sensitive to a condition?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis import statistics, verdicts
from pytest_robustness.analysis.findings import ClassFinding, ClassTest
from pytest_robustness.analysis.image_evidence import class_images, panel_changes, panel_falls
from pytest_robustness.analysis.model_test import accuracies, class_sizes
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.analysis.tested_images import answered_in_both
from pytest_robustness.core import CONTROL
from pytest_robustness.core.text import abridged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.analysis.test_result import AnyTestResult, McNemarResult
    from pytest_robustness.core import Panel

_NAMED = 3


def class_test(source: AnswerSource, panel: Panel, policy: TestPolicy, left_out: tuple[str, ...] = ()) -> ClassTest:
    """Test every class under the panel's condition: over its models, and over its images.

    Parameters
    ----------
    source
        Holds the answers of all models of ``panel``: this run's, or a baseline's.
    panel
        The condition and the models.
    policy
        How to test, and how many sensitive classes to allow.
    left_out
        Models that were asked for and could not be judged: the test then never passes.
    """
    names = source.class_names
    images = class_images(panel_changes(source, panel), len(names), policy.alpha)
    results = _results(source, panel, policy, [found.p_value for found in images])
    findings = [
        ClassFinding(i, names[i], result, found)
        for i, (result, found) in enumerate(zip(results, images, strict=True))
        if found.n
    ]
    untested = tuple(name for name, found in zip(names, images, strict=True) if not found.n)
    tested = sum(finding.result.conclusive for finding in findings)
    sensitive, beyond = verdicts.sensitive_classes(findings, policy), verdicts.classes_beyond(findings, policy)
    falls = panel_falls(source, panel, policy, [finding.index for finding in beyond])
    verdict = verdicts.judge_classes(findings, sensitive, beyond, len(untested), policy, falls)
    return ClassTest(
        condition=panel.condition,
        models=panel.models,
        classes=tuple(findings),
        sensitive=sensitive,
        beyond=beyond,
        allowed=verdicts.allowed_sensitive(tested, policy.alpha, policy.max_sensitive, policy.correction),
        untested=untested,
        left_out=left_out,
        alpha=policy.alpha,
        verdict=without(left_out, verdict),
        unshown=verdicts.unshown_classes(findings, (*sensitive, *beyond, *falls.shown), policy),
        alone=falls.shown,
        unshown_alone=falls.unshown,
    )


def image_results(source: AnswerSource, panel: Panel, policy: TestPolicy) -> list[McNemarResult]:
    """Test every class over the images of the panel's only model: McNemar's exact test, one result per class."""
    both, before, after = answered_in_both(source, *pair(panel.models[0], panel.condition))
    classes = len(source.class_names)
    labels = source.labels_of(panel.models[0])[both]
    results = statistics.mcnemar_by_class(before, after, labels, classes, alpha=policy.alpha)
    return statistics.adjust(results, policy.correction)


def _results(
    source: AnswerSource, panel: Panel, policy: TestPolicy, image_p_values: Sequence[float]
) -> Sequence[AnyTestResult]:
    if len(panel.models) == 1:
        return image_results(source, panel, policy)
    control, treated = (accuracies(source, panel.models, c).T for c in (CONTROL, panel.condition))
    images = class_sizes(source, panel.models, panel.condition).T
    results = statistics.compare(control, treated, test=policy.test, alpha=policy.alpha, images=images)
    results = statistics.decide_by_images(results, image_p_values)
    return statistics.adjust(results, policy.correction)


def without(left_out: Sequence[str], verdict: Verdict) -> Verdict:
    """Return ``verdict``, but never a PASS of a class test that lost a model, and never silent on it."""
    if not left_out:
        return verdict
    passed = verdict.outcome is Outcome.PASS
    lost = f"{abridged(left_out, _NAMED)} could not be judged"
    # What a baseline made of a verdict has the remark already.
    remark = "" if lost in verdict.reason else f"; {'but ' * passed}{lost}"
    return Verdict(Outcome.INCONCLUSIVE if passed else verdict.outcome, verdict.reason + remark)
