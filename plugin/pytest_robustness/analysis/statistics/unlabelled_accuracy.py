"""Signs of accuracy that need no label: what a model's answers to images show of how many are right.

Three are published as estimates of accuracy by themselves, from answers to labelled images (control):

- average confidence: the mean probability of the answers (Hendrycks and Gimpel 2017);
- difference of confidences: control accuracy less the fall of the average confidence (Guillory et al. 2021,
  "Predicting with confidence on unseen distributions");
- average thresholded confidence, ATC: the share of answers whose confidence reaches the threshold that as many answers
  reach in control as are right there (Garg et al. 2022, "Leveraging unlabeled data to predict out-of-distribution
  performance").

The others are signs from which `accuracy_regression` learns. Accuracies and shares are fractions.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.statistics.columns import Bools, Floats, Ints

SIGNS: Final = ("confidence", "atc", "spread", "shift", "agreement")
"""The signs, in the order of the columns of `signs`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answered:
    """What is known of a model's answers to n images without their labels.

    Parameters
    ----------
    classes
        The class that is answered for each image, numbered from 0: int64 [n].
    confidence
        The probability of each answer: float64 [n].
    agreement
        The share of the other models that give the same answer: float64 [n]; ``None`` where there are none.
    """

    classes: Ints
    confidence: Floats
    agreement: Floats | None = None

    def at(self, images: NDArray[np.integer]) -> Answered:
        """Return the answers to the images at these positions."""
        agreement = None if self.agreement is None else self.agreement[images]
        return Answered(self.classes[images], self.confidence[images], agreement)


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """What control says of a model: its accuracy, average confidence, ATC threshold, and how often it answers what.

    ``shares`` (float64 [K]) is the share of the answers that name each of K classes.
    """

    accuracy: float
    confidence: float
    threshold: float
    shares: Floats

    @classmethod
    def of(cls, control: Answered, right: Bools, classes: int) -> Reference:
        """Return the reference of answers in control, ``right`` (bool [n]) or not; there are ``classes`` to answer."""
        threshold = atc_threshold(control.confidence, right)
        return cls(float(right.mean()), float(control.confidence.mean()), threshold, _shares(control, classes))

    def difference_of_confidences(self, answered: Answered) -> float:
        """Return the accuracy that the difference of confidences stands for: above 1 where confidence rose so far."""
        return self.accuracy - (self.confidence - float(answered.confidence.mean()))

    def atc(self, answered: Answered) -> float:
        """Return the average thresholded confidence."""
        return float((answered.confidence >= self.threshold).mean())

    def signs(self, answered: Answered) -> Floats:
        """Return the signs of answers, in the order of `SIGNS`: float64 [5], NaN for agreement where there is none.

        ``spread`` is the entropy of the shares of the answers, by that of equal shares; ``shift`` the distance in total
        variation between these shares and control's. Both take the images for a sample with the classes of control.
        """
        shares = _shares(answered, len(self.shares))
        named = shares[shares > 0]
        spread = -float((named * np.log(named)).sum()) / max(math.log(len(shares)), 1e-9)
        shift = float(np.abs(shares - self.shares).sum()) / 2
        agreement = math.nan if answered.agreement is None else float(answered.agreement.mean())
        return np.array([answered.confidence.mean(), self.atc(answered), spread, shift, agreement], np.float64)


def atc_threshold(scores: Floats, right: Bools) -> float:
    """Return the threshold of ATC: as many of ``scores`` (float64 [n]) lie below it as answers are wrong (bool [n]).

    Ties apart; above all scores where no answer is right.
    """
    wrong = int(len(right) - np.count_nonzero(right))
    return math.inf if wrong == len(right) else float(np.sort(scores)[wrong])


def mean_signs(reference: Reference, answered: Answered, size: int, rng: np.random.Generator) -> Floats:
    """Return the signs of answers as samples of about ``size`` images show them, averaged over all: float64 [5].

    Spread and shift depend on how many images there are: they compare only at one size.
    """
    order = rng.permutation(len(answered.classes))
    parts = np.array_split(order, max(1, round(len(order) / size)))
    found: Floats = np.mean([reference.signs(answered.at(part)) for part in parts], axis=0)
    return found


def _shares(answered: Answered, classes: int) -> Floats:
    return np.bincount(answered.classes, minlength=classes) / len(answered.classes)
