"""Say in what a finding that the baseline has, too, is larger than it was there.

A finding is about the change from control to a condition. It is larger where the images show that this change is worse
than the baseline's by more than the tolerance, be it that control rose (of a class: that it is worse, and measures
more than the class tolerance); and where a class is beyond the margin, or more classes are sensitive than allowed, and
were not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.falls_alone import in_single_models
from pytest_robustness.analysis.image_evidence import ChangedImages, class_images
from pytest_robustness.analysis.policy import in_points, significantly_beyond
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.tested_images import readable_by_all
from pytest_robustness.core.text import abridged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.analysis.baseline.rule import GatePolicy
    from pytest_robustness.analysis.findings import ClassFinding, ClassTest, ModelTest
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.analysis.test_result import Estimate, ImageChange

_NAMED = 5


def model_growth(finding: ModelTest, before: ImageChange, more: Estimate | None, policy: GatePolicy) -> str:
    """Return in words how a model's change grew, if it is shown to have grown by more than the tolerance; else nothing.

    Parameters
    ----------
    finding, before
        The test of this run, and the change of the baseline's model on the images of both.
    more
        How much more accuracy changed under the condition than in control, from the baseline to this run.
    policy
        The tolerance.
    """
    now = finding.change.difference
    if more is None or not (more.high < -policy.tolerance if now < 0 else more.low > policy.tolerance):
        return ""
    beyond = f"{more.value:+.1f} beyond control (95 % interval {more.low:+.1f} to {more.high:+.1f})"
    figures = f"{before.difference:+.1f} -> {now:+.1f} points, {beyond}"
    return f"the change from control grew by more than {in_points(policy.tolerance)}: {figures}"


def class_growth(
    finding: ClassTest,
    before: ClassTest,
    sources: tuple[AnswerSource, AnswerSource],
    policy: GatePolicy,
    test_policy: TestPolicy,
) -> str:
    """Return in words what of a test of classes the baseline did not have, or had smaller; nothing where it had all.

    Parameters
    ----------
    finding, before
        The test of this run, and the same on the baseline's answers.
    sources
        What is compared (`SharedAnswers.compared`).
    policy, test_policy
        The tolerance by which a class may grow; what decides the tests, and the margin of a class.
    """
    reasons = []
    were = {found.index: found.measured_change for found in before.classes}
    changed = significantly_beyond(test_policy.class_margin)
    if test_policy.uses_images and finding.beyond:
        known = {found.index for found in before.beyond}
        new = [found for found in finding.beyond if found.index not in known]
        worse = _grown(finding, sources, policy)
        grown = [found for found in finding.beyond if found.index in known & worse]
        reasons += _listed(f"changed {changed}, and did not in the baseline", new, were)
        grew = significantly_beyond(policy.class_tolerance)
        reasons += _listed(f"the change from control grew {grew}", grown, were)
    if test_policy.uses_images and finding.alone:
        had = {(fall.model, fall.index) for fall in before.alone}
        known = {found.index for found in before.beyond}
        new_alone = [fall for fall in finding.alone if (fall.model, fall.index) not in had and fall.index not in known]
        if new_alone:
            reasons.append(f"fell {changed}, and did not in the baseline, {in_single_models(new_alone)}")
    numbers = [len(test.sensitive) for test in (before, finding)]
    if test_policy.uses_t_tests and numbers[1] > finding.allowed and numbers[0] <= before.allowed:
        reasons.append(f"more classes sensitive than the {finding.allowed} allowed: {numbers[0]} -> {numbers[1]}")
    return "; ".join(reasons)


def _grown(finding: ClassTest, sources: tuple[AnswerSource, AnswerSource], policy: GatePolicy) -> set[int]:
    """Return the classes whose change is shown to be worse than the baseline's, and measures more than the tolerance.

    It is a sign-flip test. The sign of an image's change, from the baseline's to this run's, is what is flipped.
    """
    before, now = sources
    cells = [cell for model in finding.models for cell in pair(model, finding.condition)]
    answers = [source.answers(cell) for source in sources for cell in cells]
    readable = readable_by_all(answers)
    sums = np.zeros(len(readable), np.int16)
    for cell in cells:
        sign = 1 if cell.condition == finding.condition else -1
        sums += np.int16(sign) * (now.answers(cell).correct.astype(np.int16) - before.answers(cell).correct)
    labels = now.labels_of(finding.models[0])
    # An image counts from -2 to 2 for each model, in units of half a change.
    changes = ChangedImages(sums[readable], labels[readable], 2 * len(finding.models))
    images = class_images(changes, len(now.class_names), policy.alpha)
    fell = {found.index: found.measured_change < 0 for found in finding.classes}
    return {
        i
        for i, found in enumerate(images)
        if found.significant(policy.alpha)
        and (-1 if fell.get(i, True) else 1) * 2 * found.difference > policy.class_tolerance
    }


def _listed(what: str, found: Sequence[ClassFinding], were: Mapping[int, float]) -> list[str]:
    if not found:
        return []
    named = sorted(found, key=lambda one: -abs(one.measured_change - were.get(one.index, 0.0)))
    listed = [f"{one.name} {were.get(one.index, np.nan):+.1f} -> {one.measured_change:+.1f}" for one in named]
    return [f"{what}: {abridged(listed, _NAMED)}"]
