"""What was asked under one set-up, with its figures against control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.diagnosis.diagnosis import Trial
from pytest_robustness.analysis.statistics import paired_change
from pytest_robustness.analysis.statistics.paired_change import PairedChange
from pytest_robustness.analysis.test_result import CONFIDENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.inference.doctor.asking import Asked

    Answers = NDArray[np.int64]

_END: Final = (1 - CONFIDENCE) / 2
# An order of outputs that has nothing to do with the labels is right on all images of a class or two: of a random one,
# on those of more than four classes in 0.4 % of the cases.
_BY_ACCIDENT: Final = 4


class Judged(NamedTuple):
    """What was asked, with its figures against control: ``right`` is bool [m], ``chance`` the share by guessing.

    ``scattered`` says that it is better than guessing on the images of more than a few classes.
    """

    asked: Asked
    trial: Trial
    right: NDArray[np.bool_]
    chance: float
    scattered: bool = False

    @property
    def skilled(self) -> bool:
        """Whether the answers do not exclude a quarter of the skill between guessing and 100 %."""
        right = int(self.right.sum())
        return bool(len(self.right)) and not statistics.excludes_skill(right, len(self.right), self.chance)

    @property
    def above_chance(self) -> bool:
        """Whether the answers are significantly more often right than guessing is."""
        return bool(len(self.right)) and statistics.above_chance(int(self.right.sum()), len(self.right), self.chance)


def against_control(labels: Answers, control: Answers, asked: Asked) -> Judged:
    """Return ``asked`` with its figures; ``labels`` and ``control`` are the classes and answers of all images."""
    setting, words, _ = asked.mistake
    m = len(asked.answers)
    if asked.error or not m:
        error = asked.error or "not asked"
        return Judged(asked, Trial(setting, words, error=error), np.empty(0, np.bool_), 1.0)
    right, before = asked.answers == labels[:m], control[:m] == labels[:m]
    lost, gained = int((before & ~right).sum()), int((right & ~before).sum())
    low, high = interval_of(before, right[None])
    trial = Trial(
        setting,
        words,
        m,
        100 * float(before.mean()),
        100 * float(right.mean()),
        100 * (gained - lost) / m,
        100 * float(low[0]),
        100 * float(high[0]),
        lost,
        gained,
        float(statistics.mcnemar_p(np.array([lost]), np.array([gained]))[0]),
    )
    return Judged(
        asked,
        trial,
        right,
        statistics.chance_agreement(labels[:m], asked.answers),
        _scattered(labels[:m], asked.answers),
    )


def _scattered(labels: Answers, answers: Answers) -> bool:
    """Whether answers are better than guessing on the images of all classes but the few that they get right most."""
    right = np.bincount(labels[answers == labels], minlength=int(labels.max()) + 1)
    rest = ~np.isin(labels, np.argsort(-right, kind="stable")[:_BY_ACCIDENT])
    if not rest.any():
        return False
    labels, answers = labels[rest], answers[rest]
    chance = statistics.chance_agreement(labels, answers)
    return statistics.above_chance(int((answers == labels).sum()), len(labels), chance)


def interval_of(
    before: NDArray[np.bool_], rights: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % intervals of the change from ``before`` (bool [m]) to each of ``rights`` (bool [k, m])."""
    m = rights.shape[1]
    lost, gained = (before & ~rights).sum(axis=1) / m, (rights & ~before).sum(axis=1) / m
    return paired_change.interval(PairedChange(lost, gained, np.full(len(rights), float(m))), _END)
