"""Right answers on the images of a run that are not compared, because the baseline lacks them, or could not read them.

Nobody can say what a change of a model did to an image that only one of two runs has. But where a class was answered
rightly in the baseline and is not on the images that the run adds, no pass may be silent about it: Fisher's exact test
compares the two shares. Nor where all classes together were: of a thousand classes with five images each, none is
enough to show the loss of all. It decides that a comparison is no pass, and never that one fails, as the images may be
harder.

The baseline's share is that of all its images of the class, be they in the run or not: images of the same kind are as
one drawn from these, so that a model which did not change is held back in at most alpha of the runs. Images that the
baseline alone has say nothing by themselves, since the run's model was never asked about them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics import paired_change
from pytest_robustness.analysis.statistics.correction import correct
from pytest_robustness.analysis.statistics.paired_change import PairedChange
from pytest_robustness.analysis.statistics.two_samples import fewer_right, fisher
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
        before = f"{self.right_before:,} of {self.n_before:,} in the baseline"
        return f"{self.name} ({self.right:,} of {self.n:,} right, {before})"


class AllApart(NamedTuple):
    """All classes together, which fell on the ``n`` images that the run alone has, of classes that both have.

    ``expected`` is how many of these would be right by the baseline's share of each class.
    """

    n: int
    right: int
    expected: float

    @property
    def text(self) -> str:
        """Both numbers, in words."""
        return f"{self.right:,} of {self.n:,} right, {self.expected:,.0f} by the baseline's share of each class"


@dataclasses.dataclass(frozen=True)
class FallenApart:
    """What fell on images that the baseline lacks: classes, the largest fall first, and all of them together."""

    classes: tuple[ClassApart, ...] = ()
    all_classes: AllApart | None = None

    def __bool__(self) -> bool:
        return bool(self.classes) or self.all_classes is not None


NOTHING_FELL: Final = FallenApart()


def fallen_apart(
    shared: SharedAnswers,
    before: BaselineModel,
    answers: Mapping[Condition, Answers],
    classes: Sequence[str],
    policy: GatePolicy,
) -> dict[Condition, FallenApart]:
    """Return what fell on the images that the baseline lacks, by condition.

    Images count once, whatever their copies. A class fell where its share of right answers is lower significantly,
    after Holm's correction over all conditions with all their classes, and by more than the class tolerance as
    measured; all classes together where theirs are, by more than the tolerance.

    Parameters
    ----------
    shared, before
        The baseline and its model.
    answers
        Those of the run's model, by condition.
    classes
        The names of the run's classes.
    policy
        The tolerances and the level.
    """
    overlap = shared.overlap
    if not shared.apart.any():
        return dict.fromkeys(answers, NOTHING_FELL)
    there = overlap.run_classes[overlap.before.labels]
    there_counted = overlap.distinct[0] & shared.readable_before & (there >= 0)
    counts = []
    for condition, given in answers.items():
        right = before.right(condition, overlap.before.labels)
        here = shared.apart & given.readable
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
        *of_class, together = fell[row].tolist()
        rows = [
            ClassApart(classes[i], *(int(column[row, i]) for column in (n_before, right_before, n, right_now)))
            for i in np.flatnonzero(of_class).tolist()
        ]
        rows.sort(key=lambda one: one.right / one.n - one.right_before / one.n_before)
        counts_of = (n_before[row], right_before[row], n[row], right_now[row])
        found[condition] = FallenApart(tuple(rows), _together(*counts_of) if together else None)
    return found


def fell_apart(
    n_before: NDArray[np.int64],
    right_before: NDArray[np.int64],
    n: NDArray[np.int64],
    right: NDArray[np.int64],
    policy: GatePolicy,
) -> NDArray[np.bool_]:
    """Return which classes fell, by condition, and in the last column whether all of them together did: bool [k, C+1].

    Parameters
    ----------
    n_before, right_before
        The images of the baseline, and how many of them are right there: int64 [k, C] by condition and class.
    n, right
        Those that the run alone has: int64 [k, C].
    policy
        The tolerances and the level.
    """
    both = (n_before > 0) & (n > 0)
    fall, p = np.zeros((len(n), n.shape[1] + 1)), np.full((len(n), n.shape[1] + 1), np.nan)
    counts = right_before[both], n_before[both], right[both], n[both]
    fall[:, :-1][both] = 100 * (counts[0] / counts[1] - counts[2] / counts[3])
    p[:, :-1][both] = fisher(*counts)
    for row in np.flatnonzero(both.any(axis=1)).tolist():
        found = _together(n_before[row], right_before[row], n[row], right[row])
        fall[row, -1] = 100 * (found.expected - found.right) / found.n
        p[row, -1] = fewer_right(right_before[row], n_before[row], right[row], n[row])
    tolerances = np.array([*[policy.class_tolerance] * n.shape[1], policy.tolerance])
    return (fall > tolerances) & (correct(p, "holm") < policy.alpha)


def apart_text(fallen: FallenApart) -> str:
    """Return what fell on the images that the baseline lacks, in words; empty where nothing did."""
    parts = []
    if fallen.all_classes is not None:
        parts.append(f"images that the baseline lacks are answered worse than its own ({fallen.all_classes.text})")
    if fallen.classes:
        fell = counted(len(fallen.classes), "class is", "classes are")
        listed = abridged(fallen.classes, _NAMED, lambda one: one.text)
        parts.append(f"{fell} answered worse on images that the baseline lacks than on its own: {listed}")
    if parts:
        parts.append("a baseline that the model in production writes anew tells whether these are harder")
    return "; ".join(parts)


def withheld(images: int, apart: FallenApart, policy: GatePolicy, tests: int) -> str:
    """Return why no pass may rest on a comparison; empty where one may.

    Parameters
    ----------
    images
        How many are compared: with so few that the loss of all would not be shown, nothing can be.
    apart
        What fell on images which the baseline lacks.
    policy, tests
        The tolerance, the level, and how many conditions are corrected together.
    """
    level = policy.alpha / (1 if policy.correction == "none" else max(tests, 1))
    all_lost = PairedChange(np.ones(1), np.zeros(1), np.array([float(images)]))
    few = float(paired_change.p_below(all_lost, -policy.tolerance / 100)[0]) >= level
    shared = f"{counted(images, 'image is', 'images are')} compared with the baseline"
    return "; ".join(filter(None, [f"{shared}, too few to show any loss" if few else "", apart_text(apart)]))


def with_apart(verdict: Verdict, apart: FallenApart) -> Verdict:
    """Return a verdict that is no FAIL as INCONCLUSIVE where anything fell on images that the baseline lacks."""
    if verdict.outcome is Outcome.FAIL or not apart:
        return verdict
    return Verdict(Outcome.INCONCLUSIVE, f"{apart_text(apart)}; on the images of both, {verdict.reason}")


def _together(
    n_before: NDArray[np.int64], right_before: NDArray[np.int64], n: NDArray[np.int64], right: NDArray[np.int64]
) -> AllApart:
    """Return the classes of one condition together, as far as both sides have images of them; int64 [C] each."""
    both = (n_before > 0) & (n > 0)
    expected = float((n[both] * right_before[both] / n_before[both]).sum())
    return AllApart(int(n[both].sum()), int(right[both].sum()), expected)


def _counted(
    labels: NDArray[np.int64], chosen: NDArray[np.bool_], right: NDArray[np.bool_], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many of the ``chosen`` images each class has, and how many are right: int64 [C] each."""
    n = np.bincount(labels[chosen], minlength=classes)
    return n, np.bincount(labels[chosen & right], minlength=classes)
