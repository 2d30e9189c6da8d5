"""Say in what a finding is larger than the baseline's by images that the baseline lacks.

What the images of both show makes a finding worse (`growth`). Of the others nobody can say that the model is worse, as
they may be harder; but a finding that they enlarge is not the one that the baseline has, and does not pass for it. It
is larger where it measures more than the tolerance beyond what the baseline had, on all its images and on those of
both, and where the images that the baseline lacks change more than its own do, significantly.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.baseline.apart import FallenApart, apart_text, fallen_apart
from pytest_robustness.analysis.image_evidence import ChangedImages, class_images, model_changes
from pytest_robustness.analysis.predictions import Answers, pair
from pytest_robustness.analysis.statistics.correction import holm
from pytest_robustness.analysis.statistics.two_samples import fisher
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.text import abridged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.baseline import BaselineModel
    from pytest_robustness.analysis.baseline.rule import GatePolicy
    from pytest_robustness.analysis.baseline.shared_answers import SharedAnswers
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.predictions import AnswerSource
    from pytest_robustness.analysis.test_result import ImageChange

_NAMED = 5


class ChangesApart(NamedTuple):
    """How models changed their answers under a condition, by the classes of the run.

    ``before`` is the baseline's, on all its images; ``own`` the same with each image once; ``now`` is the run's, on the
    images that the baseline lacks, each once.
    """

    before: ChangedImages
    own: ChangedImages
    now: ChangedImages

    @classmethod
    def of(
        cls,
        shared: SharedAnswers,
        models: Mapping[str, BaselineModel],
        finding: ModelTest | ClassTest,
        run: AnswerSource,
    ) -> ChangesApart:
        """Return the changes of a finding's models; ``models`` has the baseline's model for each."""
        overlap = shared.overlap
        there = overlap.run_classes[overlap.before.labels]
        known = shared.readable_before & (there >= 0)
        right = [
            [model.right(condition, overlap.before.labels) for condition in (CONTROL, finding.condition)]
            for model in models.values()
        ]
        asked = [[run.answers(cell) for cell in pair(model, finding.condition)] for model in models]
        return cls(
            _between([[(known, given) for given in both] for both in right], there),
            _between([[(known & overlap.distinct[0], given) for given in both] for both in right], there),
            _between(
                [[(given.readable & shared.apart, given.correct) for given in both] for both in asked],
                overlap.now.labels,
            ),
        )


def model_growth_apart(
    finding: ModelTest, before: ImageChange, changes: ChangesApart, policy: GatePolicy, classes: int
) -> str:
    """Return in words how images that the baseline lacks enlarge a model's finding; nothing where they do not.

    Parameters
    ----------
    finding, before
        The test of this run, and the change of the baseline's model on the images of both.
    changes
        Of the finding's only model.
    policy
        The tolerance and the level.
    classes
        How many the run has.
    """
    now = finding.change.difference
    sign = math.copysign(1.0, now)
    common = np.intersect1d(changes.own.labels, changes.now.labels)
    if not len(common):
        return ""
    (whole,) = model_changes([changes.before], classes, alpha=policy.alpha, margin=policy.tolerance)
    known = sign * max(sign * whole.difference, sign * before.difference)
    if sign * (now - known) <= policy.tolerance:
        return ""
    sides = [_of_classes(side, common) for side in (changes.own, changes.now)]
    own, new = model_changes(sides, classes, alpha=policy.alpha, margin=policy.tolerance)
    # The interval of a difference from those of its terms (Zou and Donner 2008, Statistics in Medicine 27:1693).
    far, near = (own.low, new.high) if now < 0 else (own.high, new.low)
    if sign * (new.difference - own.difference) <= math.hypot(own.difference - far, near - new.difference):
        return ""
    which = f"{new.difference:+.1f} on these, {own.difference:+.1f} on its own"
    return (
        f"images that the baseline lacks enlarge the change from control: {known:+.1f} -> {now:+.1f} points ({which})"
    )


def class_growth_apart(
    finding: ClassTest, before: ClassTest, changes: ChangesApart, policy: GatePolicy, names: tuple[str, ...]
) -> str:
    """Return in words of which classes images that the baseline lacks enlarge the finding; nothing without any.

    Fisher's exact test compares how many of these images changed in the direction of the finding, over all models, with
    how many of the baseline's did, corrected over the classes.

    Parameters
    ----------
    finding, before
        The test of this run, and the same on the baseline's answers to the images of both.
    changes
        Of the finding's models.
    policy
        The class tolerance and the level.
    names
        Those of the run's classes.
    """
    fell = {found.index: found.measured_change < 0 for found in finding.classes}
    signs = np.array([-1 if fell.get(i, True) else 1 for i in range(len(names))])
    n_own, own = _towards(changes.own, signs)
    n, new = _towards(changes.now, signs)
    both = (n_own > 0) & (n > 0)
    more = np.zeros(len(names), np.bool_)
    if both.any():
        p = holm(fisher(own[both], n_own[both], new[both], n[both]))
        more[both] = (p < policy.alpha) & (new[both] / n[both] > own[both] / n_own[both])
    whole = class_images(changes.before, len(names), policy.alpha)
    were = {found.index: found.measured_change for found in before.classes}
    listed = []
    for found in finding.beyond:
        i, sign = found.index, float(signs[found.index])
        known = sign * max(sign * whole[i].difference, sign * were.get(i, whole[i].difference))
        if more[i] and sign * (found.measured_change - known) > policy.class_tolerance:
            figures = f"changed so: {new[i]:,} of {n[i]:,} of these, {own[i]:,} of {n_own[i]:,} of its own"
            listed.append(f"{names[i]} {known:+.1f} -> {found.measured_change:+.1f} ({figures})")
    if not listed:
        return ""
    return f"images that the baseline lacks enlarge the change from control: {abridged(listed, _NAMED)}"


def class_falls_apart(
    shared: SharedAnswers,
    models: Mapping[str, BaselineModel],
    finding: ClassTest,
    run: AnswerSource,
    policy: GatePolicy,
) -> str:
    """Return in words which classes fell on images that the baseline lacks, in the first model of a test where any did.

    Parameters
    ----------
    shared, models
        The baseline, and its model for each model of the test.
    finding, run
        The test of this run, and its answers.
    policy
        The class tolerance and the level.
    """
    for model, before in models.items():
        answers = {finding.condition: run.answers(Cell(model, finding.condition))}
        fallen = fallen_apart(shared, before, answers, run.class_names, policy)[finding.condition]
        # All classes together are the matter of the model's own test.
        if fallen.classes:
            return f"{model}: {apart_text(FallenApart(fallen.classes))}"
    return ""


def _between(
    models: Iterable[Iterable[tuple[NDArray[np.bool_], NDArray[np.bool_]]]], labels: NDArray[np.int64]
) -> ChangedImages:
    """Return how models changed; each way of answering is given by the images that count and those that are right."""
    pairs = []
    for both in models:
        control, treated = (Answers(chosen, chosen & right) for chosen, right in both)
        pairs.append((control, treated))
    return ChangedImages.between(pairs, labels)


def _of_classes(changes: ChangedImages, chosen: NDArray[np.int64]) -> ChangedImages:
    kept = np.isin(changes.labels, chosen)
    return ChangedImages(changes.sums[kept], changes.labels[kept], changes.models)


def _towards(changes: ChangedImages, signs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many images each class has, and how many changed in the direction of its sign: int64 [C] each."""
    labels, towards = changes.labels, changes.sums * signs[changes.labels] > 0
    return np.bincount(labels, minlength=len(signs)), np.bincount(labels[towards], minlength=len(signs))
