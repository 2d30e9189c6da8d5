"""How well images fit their labels, by confident learning's definitions, from what the store keeps of each answer.

References
----------
Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021); cleanlab is
its implementation, and the definitions here are those of its version 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


MOST_TIED: Final = 0.5
"""Where more of the answers are exactly as sure as their median, confidence tells no mistake from a wrong label."""


class Member(NamedTuple):
    """What one model says of the images under one condition.

    ``answer`` is the class that it answers: int64 [N]. It is one beyond those of the labels where the output stands for
    no class of the data, and -1 where that cannot be said.
    ``probability`` is the probability of the answer, ``runner_up`` that of the output that comes second,
    ``label_probability`` that of the image's label: float64 [N] each.
    """

    answer: NDArray[np.int64]
    probability: NDArray[np.float64]
    runner_up: NDArray[np.float64]
    label_probability: NDArray[np.float64]


class LabelScores(NamedTuple):
    """How well images fit their labels, by the mean over the members.

    ``self_confidence`` is the probability of the label, ``margin`` that less the probability of the likeliest other
    class, from -1 to 1: float64 [N] each. ``answer`` is the class that all members answer, -1 where they differ
    (int64 [N]), and ``answer_probability`` its probability (float64 [N]).
    """

    self_confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    answer: NDArray[np.int64]
    answer_probability: NDArray[np.float64]


def answered_classes(predicted: NDArray[np.int32], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that each output stands for, -1 where it is none of the data's: int64 [N].

    Parameters
    ----------
    predicted
        Outputs, -1 where an image was skipped: int32 [N].
    targets
        The output of each class: int64 [C].
    """
    # The last entry is that of a skipped image.
    of_output = np.full(max(int(targets.max(initial=-1)), int(predicted.max(initial=-1))) + 2, -1, np.int64)
    of_output[targets] = np.arange(len(targets))
    return of_output[predicted]


def normalized_margin(member: Member, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of the label less that of the likeliest other output: float64 [N].

    cleanlab's score of that name is half of this plus one half, so that it ranks the same.
    """
    other = np.where(member.answer == labels, member.runner_up, member.probability)
    return member.label_probability - other


def label_scores(members: Sequence[Member], labels: NDArray[np.int64]) -> LabelScores:
    """Return the scores of images that all members could read.

    Parameters
    ----------
    members
        At least one: models, and conditions under which they hardly change.
    labels
        The class of each image: int64 [N].
    """
    first = members[0].answer
    agreed = np.all([member.answer == first for member in members], axis=0)
    return LabelScores(
        self_confidence=np.mean([member.label_probability for member in members], axis=0),
        margin=np.mean([normalized_margin(member, labels) for member in members], axis=0),
        answer=np.where(agreed, first, -1),
        answer_probability=np.mean([member.probability for member in members], axis=0),
    )


def confident_thresholds(
    self_confidence: NDArray[np.float64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return each class's threshold: the mean self-confidence of its images, float64 [C]; infinite without images."""
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=self_confidence, minlength=classes)
    thresholds: NDArray[np.float64] = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    return thresholds


def suspects(scores: LabelScores, labels: NDArray[np.int64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the positions of images that are surely of another class than their label: the least likely label first.

    All members answer the same other class, with a mean probability that reaches the threshold of that class. These
    are off the diagonal of the confident joint of the mean probabilities. The converse does not hold: an image that the
    joint counts under a class that is not the answer needs the probabilities of all classes, which the store lacks.
    """
    other = np.flatnonzero((scores.answer >= 0) & (scores.answer != labels))
    found = other[scores.answer_probability[other] >= thresholds[scores.answer[other]]]
    return found[np.lexsort((scores.margin[found], scores.self_confidence[found]))]


def unjudged(scores: LabelScores, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the positions of images that all members answer as a class without a threshold: the least likely first.

    A class has none where no image has its label. Such an answer may be sure or a guess: there is nothing to compare it
    with.
    """
    found = np.flatnonzero((scores.answer >= 0) & np.isinf(thresholds[scores.answer]))
    return found[np.lexsort((scores.margin[found], scores.self_confidence[found]))]


class Precision(NamedTuple):
    """Which share of the suspects are labelled wrongly, with its 95 % interval.

    ``recall`` is the share of the images that can be judged which, had they got another label, would be suspects.
    ``tied`` is the share of the answers that are their image's label which are exactly as sure as their median.
    """

    value: float
    low: float
    high: float
    recall: float
    tied: float


def estimated_precision(scores: LabelScores, labels: NDArray[np.int64], thresholds: NDArray[np.float64]) -> Precision:
    """Estimate which share of the `suspects` are labelled wrongly; all are NaN where no image is answered by its label.

    Assumed is, as in confident learning, that whether a label is wrong does not depend on the image within its class.
    Images of wrong labels are then answered as surely as those whose answer is their label, while a model's own
    mistakes are less sure. Half of the images answered by their label, or more where some tie, are as sure as their
    median or surer. So of the images that are answered as another class, as many as are so sure, over that share, are
    labelled wrongly, at most: some mistakes are as sure. Images that are `unjudged` can be on no list, and tell nothing
    of one. Nothing is estimated where more than `MOST_TIED` are exactly as sure: mistakes are, too.
    """
    judged = (scores.answer < 0) | np.isfinite(thresholds[scores.answer])
    agreed = (scores.answer >= 0) & judged
    own = agreed & (scores.answer == labels)
    other = agreed & ~own
    reached = scores.answer_probability >= thresholds[scores.answer]
    listed = int((other & reached).sum())
    if not own.any():
        return Precision(np.nan, np.nan, np.nan, np.nan, np.nan)
    # Had the only image of a class got another label, the class would have no threshold to reach. With more images,
    # leaving an image out of its class's mean does not change on which side of it the image is.
    only = np.bincount(labels)[labels] == 1
    recall = float((own & reached & ~only).sum() / judged.sum())
    median = np.median(scores.answer_probability[own])
    tied = float((scores.answer_probability[own] == median).mean())
    if not listed or tied > MOST_TIED:
        return Precision(np.nan, np.nan, np.nan, recall, tied)
    sure = scores.answer_probability >= median
    found, others = int((other & sure).sum()), int(other.sum())
    # Of those labelled wrongly, as many are sure, and reach the threshold, as of the rightly labelled ones.
    scale = others / sure[own].mean() * reached[own].mean() / listed
    interval = stats.binomtest(found, others).proportion_ci()
    value, low, high = (float(min(1.0, scale * share)) for share in (found / others, interval.low, interval.high))
    # Were all of a short list labelled wrongly, it would not say more than a sample of its length can.
    sample = stats.binomtest(int(value * listed), listed).proportion_ci()
    return Precision(value, min(low, float(sample.low)), high, recall, tied)
