"""Classes on the images of a run that are not compared, because the baseline lacks them.

Nobody can say what a change of a model did to an image that only one of two runs has. But where a class was answered
rightly in the baseline and is not on the images that the run adds, no pass may be silent about it: Fisher's exact test
compares the two shares. It decides that a comparison is no pass, and never that one fails, as the images may be harder.

The baseline's share is that of all its images of the class, be they in the run or not: images of the same kind are as
one drawn from these, so that a model which did not change is held back in at most alpha of the runs. Images that the
baseline alone has say nothing by themselves, since the run's model was never asked about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics import paired_change
from pytest_robustness.analysis.statistics.correction import holm
from pytest_robustness.analysis.statistics.paired_change import PairedChange
from pytest_robustness.analysis.statistics.two_samples import fisher
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.baseline import BaselineModel
    from pytest_robustness.analysis.baseline.rule import GatePolicy
    from pytest_robustness.analysis.baseline.shared_answers import SharedAnswers
    from pytest_robustness.analysis.predictions import Answers
    from pytest_robustness.core import Condition

_NAMED = 5


class ClassApart(NamedTuple):
    """A class that fell: from its images in the baseline (``n_before``) to those that the run alone has (``n``)."""

    name: str
    n_before: int
    right_before: int
    n: int
    right: int

    @property
    def text(self) -> str:
        """The class with both shares, in words."""
        before = f"{self.right_before} of {self.n_before} in the baseline"
        return f"{self.name} ({self.right} of {self.n} right, {before})"


def fallen_apart(
    shared: SharedAnswers,
    before: BaselineModel,
    answers: Mapping[Condition, Answers],
    classes: Sequence[str],
    policy: GatePolicy,
) -> dict[Condition, tuple[ClassApart, ...]]:
    """Return the classes that fell on the images that the baseline lacks, by condition, the largest fall first.

    Images count once, whatever their copies. A class fell where its share of right answers is lower significantly,
    after Holm's correction over all classes of all conditions, and by more than the class tolerance as measured.

    Parameters
    ----------
    shared, before
        The baseline and its model.
    answers
        Those of the run's model, by condition.
    classes
        The names of the run's classes.
    policy
        The class tolerance and the level.
    """
    overlap = shared.overlap
    apart_now = overlap.apart[1]
    if not apart_now.any():
        return dict.fromkeys(answers, ())
    there = overlap.run_classes[overlap.before.labels]
    there_counted = overlap.distinct[0] & shared.readable_before & (there >= 0)
    counts = []
    for condition, given in answers.items():
        right = before.right(condition, overlap.before.labels)
        here = apart_now & given.readable
        counts.append(
            [
                *_counted(there, there_counted, right, len(classes)),
                *_counted(overlap.now.labels, here, given.correct, len(classes)),
            ]
        )
    n_before, right_before, n, right_now = np.moveaxis(np.array(counts, np.int64), 1, 0)
    fell = fell_apart(n_before, right_before, n, right_now, policy)
    found = {}
    for row, condition in enumerate(answers):
        rows = [
            ClassApart(classes[i], *(int(column[row, i]) for column in (n_before, right_before, n, right_now)))
            for i in np.flatnonzero(fell[row]).tolist()
        ]
        found[condition] = tuple(sorted(rows, key=lambda one: one.right / one.n - one.right_before / one.n_before))
    return found


def fell_apart(
    n_before: NDArray[np.int64],
    right_before: NDArray[np.int64],
    n: NDArray[np.int64],
    right: NDArray[np.int64],
    policy: GatePolicy,
) -> NDArray[np.bool_]:
    """Return which classes fell, by condition: bool [k, C].

    Parameters
    ----------
    n_before, right_before
        The images of the baseline, and how many of them are right there: int64 [k, C] by condition and class.
    n, right
        Those that the run alone has: int64 [k, C].
    policy
        The class tolerance and the level.
    """
    both = (n_before > 0) & (n > 0)
    found = np.zeros(n.shape, np.bool_)
    if both.any():
        counts = right_before[both], n_before[both], right[both], n[both]
        fall = 100 * (counts[0] / counts[1] - counts[2] / counts[3])
        found[both] = (fall > policy.class_tolerance) & (holm(fisher(*counts)) < policy.alpha)
    return found


def apart_text(fallen: Sequence[ClassApart]) -> str:
    """Return which classes fell on the images that the baseline lacks, in words; empty without any."""
    if not fallen:
        return ""
    fell = counted(len(fallen), "class is", "classes are")
    listed = abridged(fallen, _NAMED, lambda one: one.text)
    way_out = "a baseline that the model in production writes anew tells whether these are harder"
    return f"{fell} answered worse on images that the baseline lacks than on its own: {listed}; {way_out}"


def withheld(images: int, apart: Sequence[ClassApart], policy: GatePolicy, tests: int) -> str:
    """Return why no pass may rest on a comparison; empty where one may.

    Parameters
    ----------
    images
        How many are compared: with so few that the loss of all would not be shown, nothing can be.
    apart
        The classes that fell on images which the baseline lacks.
    policy, tests
        The tolerance, the level, and how many conditions are corrected together.
    """
    level = policy.alpha / (1 if policy.correction == "none" else max(tests, 1))
    all_lost = PairedChange(np.ones(1), np.zeros(1), np.array([float(images)]))
    few = float(paired_change.p_below(all_lost, -policy.tolerance / 100)[0]) >= level
    shared = f"{counted(images, 'image is', 'images are')} compared with the baseline"
    return "; ".join(filter(None, [f"{shared}, too few to show any loss" if few else "", apart_text(apart)]))


def with_apart(verdict: Verdict, apart: Sequence[ClassApart]) -> Verdict:
    """Return a verdict that is no FAIL as INCONCLUSIVE where classes fell on images that the baseline lacks."""
    if verdict.outcome is Outcome.FAIL or not apart:
        return verdict
    return Verdict(Outcome.INCONCLUSIVE, f"{apart_text(apart)}; on the images of both, {verdict.reason}")


def _counted(
    labels: NDArray[np.int64], chosen: NDArray[np.bool_], right: NDArray[np.bool_], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many of the ``chosen`` images each class has, and how many are right: int64 [C] each."""
    n = np.bincount(labels[chosen], minlength=classes)
    return n, np.bincount(labels[chosen & right], minlength=classes)
