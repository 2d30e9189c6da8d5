"""Accuracies from counts, and how they compare with guessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pytest_robustness.analysis.statistics.columns import Floats

_ALPHA: Final = 0.05
# The way from guessing to no errors that a model of use has behind it, at the least.
_LEAST_SKILL: Final = 0.25
_DEALS: Final = 999
# Of more images the binomial test sees what matters, and dealing takes seconds.
_MOST_DEALT: Final = 100_000


def accuracies(correct: ArrayLike, n: ArrayLike) -> Floats:
    """Return the accuracies in percent, float64 [..., C], NaN where a class has no image.

    Parameters
    ----------
    correct, n
        The images of each class that were classified correctly, and all of them: int [..., C], broadcast together.
    """
    hits, n = np.broadcast_arrays(100.0 * np.asarray(correct), np.asarray(n))
    percent: Floats = np.divide(hits, n, out=np.full(n.shape, np.nan), where=n > 0)
    return percent


def chance_agreement(labels: ArrayLike, answers: ArrayLike) -> float:
    """Return the share of right answers to expect of answers that have nothing to do with the images.

    It is the sum over the classes of the share of images of the class, times the share of answers that name it: the
    agreement by chance of Cohen's kappa (Cohen 1960, "A coefficient of agreement for nominal scales").

    Parameters
    ----------
    labels
        The class of each image: int [N], at least one.
    answers
        The class that is answered for each, and -1 for an answer that is no class of the data: int [N].
    """
    labels, answers = np.asarray(labels), np.asarray(answers)
    classes = int(max(labels.max(), answers.max())) + 1
    named = np.bincount(answers[answers >= 0], minlength=classes)
    return float(np.bincount(labels, minlength=classes) @ named) / len(labels) ** 2


def above_chance(correct: int, n: int, chance: float) -> bool:
    """Whether ``correct`` of ``n`` images are significantly more than a share of ``chance``.

    The test is the exact binomial one, one-sided, at 5 %.
    """
    return bool(stats.binomtest(correct, n, chance, alternative="greater").pvalue < _ALPHA)


def better_than_guessing(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> bool:
    """Whether answers are right significantly more often than if they had nothing to do with the images, at 5 %.

    That is `above_chance`, and where it sees nothing a permutation test: are the same answers, dealt to the images at
    random, right as often in fewer than 5 % of 999 deals? Of a class of 3 in 100 the binomial test sees little, since
    it lets the shares of classes and answers vary, too. An answer that never changes is right as often in every deal.

    Parameters
    ----------
    labels, answers
        As `chance_agreement` takes them.
    """
    right = int((labels == answers).sum())
    if above_chance(right, len(labels), chance_agreement(labels, answers)):
        return True
    if len(labels) > _MOST_DEALT or (answers == answers[0]).all():
        return False
    rng = np.random.default_rng(0)
    as_often = sum(int((labels == rng.permutation(answers)).sum()) >= right for _ in range(_DEALS))
    return bool((1 + as_often) / (1 + _DEALS) < _ALPHA)


def excludes_skill(correct: int, n: int, chance: float) -> bool:
    """Whether so few right answers exclude that the model has a quarter of the skill between ``chance`` and 100 %.

    They do where the exact 95 % interval of the accuracy (Clopper and Pearson's) ends below that.
    """
    interval = stats.binomtest(correct, n).proportion_ci(1 - _ALPHA, method="exact")
    return bool(interval.high < chance + (1 - chance) * _LEAST_SKILL)
