"""Learn accuracy from signs that need no label, over conditions of which the accuracy is known.

The conditions of a run are a meta data set: many versions of the same images, with accuracies (Deng and Zheng 2021,
"Are labels always necessary for classifier accuracy evaluation?", arXiv 2007.02915). What is learnt from some
transforms has to hold under others, so that all errors here are of transforms that were held out, with all their
severities, the choice of signs included.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import expit, logit

from pytest_robustness.analysis.statistics.unlabelled_accuracy import SIGNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.statistics.columns import Bools, Floats

    Signs = tuple[str, ...]

# Few, because each is one more that may fit the held-out transforms by luck.
_CANDIDATES: Final[tuple[tuple[str, ...], ...]] = (
    ("agreement", "spread"),
    ("agreement", "shift"),
    ("agreement", "spread", "shift"),
    ("agreement", "atc"),
    ("shift", "atc"),
    ("spread", "shift", "confidence", "atc"),
    ("shift",),
    ("atc",),
    ("confidence",),
)
_RIDGE: Final = 0.3
# Keeps the log odds of an accuracy of 0 or 1 finite.
_END: Final = 0.005
FEWEST_CONDITIONS: Final = 12
FEWEST_TRANSFORMS: Final = 5
# A sign may exceed those that were fitted by this share of their range.
_SLACK: Final = 0.05
# Signs that are farther from the others than those of this share of the held-out samples do not go together.
_USUAL: Final = 0.9


class Conditions(NamedTuple):
    """Conditions with known accuracy: the ``signs`` of each (float64 [m, 5]) and its ``accuracy`` (float64 [m]).

    ``transforms`` names the transform of each; conditions of one transform are held out together.
    """

    signs: Floats
    accuracy: Floats
    transforms: tuple[str, ...]

    def where(self, chosen: Bools) -> Conditions:
        """Return those of ``chosen`` (bool [m])."""
        transforms = tuple(name for name, keep in zip(self.transforms, chosen, strict=True) if keep)
        return Conditions(self.signs[chosen], self.accuracy[chosen], transforms)

    def folds(self) -> list[Bools]:
        """Return the conditions of each transform: bool [m] each."""
        return [np.array([name == one for name in self.transforms]) for one in dict.fromkeys(self.transforms)]


@dataclasses.dataclass(frozen=True, eq=False)
class Regression:
    """A ridge regression of the log odds of accuracy on some of the signs, standardized over the fitted conditions."""

    signs: Signs
    centre: Floats
    scale: Floats
    weights: Floats

    @classmethod
    def of(cls, conditions: Conditions, signs: Signs) -> Regression:
        """Return the regression over ``conditions`` on the named ``signs``."""
        x = conditions.signs[:, _columns(signs)]
        centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
        design = np.column_stack([np.ones(len(x)), (x - centre) / scale])
        penalty = _RIDGE * np.diag([0.0, *np.ones(len(signs))])
        odds = logit((conditions.accuracy + _END) / (1 + 2 * _END))
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ odds)
        return cls(signs, centre, scale, weights)

    def accuracy(self, signs: Floats) -> Floats:
        """Return the accuracy to expect, float64 [k], from signs: float64 [k, 5]."""
        expected: Floats = np.clip(expit(self.odds(signs)) * (1 + 2 * _END) - _END, 0.0, 1.0)
        return expected

    def odds(self, signs: Floats) -> Floats:
        """Return the logarithm of the odds of the accuracy to expect: float64 [k]."""
        odds: Floats = self.weights[0] + (signs[:, _columns(self.signs)] - self.centre) / self.scale @ self.weights[1:]
        return odds


def chosen_signs(conditions: Conditions) -> Signs:
    """Return the signs whose regression has the smallest error on transforms that are held out."""
    known = np.all(np.isfinite(conditions.signs), axis=0)
    usable = [signs for signs in _CANDIDATES if known[_columns(signs)].all()]
    return min(usable, key=lambda signs: float(np.square(_left_out(conditions, signs) - conditions.accuracy).mean()))


def _left_out(conditions: Conditions, signs: Signs) -> Floats:
    """Return the accuracy that is estimated for each condition without any of its transform: float64 [m]."""
    estimates = np.empty(len(conditions.accuracy))
    for fold in conditions.folds():
        estimates[fold] = Regression.of(conditions.where(~fold), signs).accuracy(conditions.signs[fold])
    return estimates


@dataclasses.dataclass(frozen=True, eq=False)
class Company:
    """Which signs go with which accuracy under the conditions: a parabola for each, and the scatter about them.

    ``columns`` are the signs that are known, ``curves`` (float64 [3, s]) gives each from the log odds of accuracy,
    ``inverse`` (float64 [s, s]) is that of the products of what is left.
    """

    regression: Regression
    columns: list[int]
    curves: Floats
    inverse: Floats

    @classmethod
    def of(cls, conditions: Conditions, regression: Regression) -> Company:
        """Return what goes with what under ``conditions``, by the accuracy that ``regression`` estimates."""
        columns = np.flatnonzero(np.isfinite(conditions.signs).all(axis=0)).tolist()
        powers = _powers(regression.odds(conditions.signs))
        curves = np.asarray(np.linalg.lstsq(powers, conditions.signs[:, columns], rcond=None)[0], np.float64)
        left = conditions.signs[:, columns] - powers @ curves
        products = left.T @ left
        ridge = _RIDGE * np.diag(products).mean() / len(left) + 1e-12
        return cls(regression, columns, curves, np.linalg.inv(products + ridge * np.eye(len(columns))))

    def distance(self, signs: Floats) -> Floats:
        """Return how far signs (float64 [k, 5]) lie from those that go with their accuracy, by the scatter: [k]."""
        left = signs[:, self.columns] - _powers(self.regression.odds(signs)) @ self.curves
        found: Floats = np.einsum("ki,ij,kj->k", left, self.inverse, left)
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracyModel:
    """Estimates accuracy from signs, and knows how far it was off on transforms that it had not seen.

    ``held_out`` is the estimate of each of ``samples`` without its transform (float64 [m]), the choice of signs
    included. ``farthest`` is how far signs may lie from those of ``company`` that still go together.
    """

    samples: Conditions
    regression: Regression
    without: tuple[tuple[Bools, Regression], ...]
    held_out: Floats
    company: Company
    farthest: float

    @classmethod
    def of(cls, conditions: Conditions, samples: Conditions | None = None) -> AccuracyModel:
        """Return the model of ``conditions``; see `obstacle` for how many it takes.

        Parameters
        ----------
        conditions
            What is learnt from: the better known, the better.
        samples
            The same conditions as a sample shows them that is as large as the images whose accuracy will be estimated:
            what errors are measured on. Without it, they are as large as those of ``conditions``.
        """
        samples = samples or conditions
        without, (held_out, distance) = [], np.empty((2, len(samples.accuracy)))
        for fold in conditions.folds():
            rest = conditions.where(~fold)
            regression = Regression.of(rest, chosen_signs(rest))
            held_out[fold] = regression.accuracy(samples.signs[fold])
            distance[fold] = Company.of(rest, regression).distance(samples.signs[fold])
            without.append((fold, regression))
        regression = Regression.of(conditions, chosen_signs(conditions))
        company, farthest = Company.of(conditions, regression), float(np.quantile(distance, _USUAL))
        return cls(samples, regression, tuple(without), held_out, company, farthest)

    @property
    def rmse(self) -> float:
        """The root of the mean squared error on transforms that were held out."""
        return float(np.sqrt(np.square(self.held_out - self.samples.accuracy).mean()))

    def estimate(self, signs: Floats) -> float:
        """Return the accuracy to expect of images with these signs: float64 [5]."""
        return float(self.regression.accuracy(signs[None])[0])

    def interval(self, signs: Floats, level: float) -> tuple[float, float]:
        """Return the interval that holds the accuracy with about the probability ``level``: the CV+ interval.

        It widens the estimates of the regressions without a transform by their errors on it (Barber et al. 2021,
        "Predictive inference with the jackknife+"), so that a transform like those fitted is covered, in the worst case
        with a probability of twice ``level`` less 1.
        """
        errors = np.abs(self.held_out - self.samples.accuracy)
        ends = []
        for fold, regression in self.without:
            value = float(regression.accuracy(signs[None])[0])
            ends += [(value - error, value + error) for error in errors[fold].tolist()]
        low, high = np.sort(np.array(ends), axis=0).T
        rank = min(int(np.ceil(level * (len(errors) + 1))), len(errors))
        return max(float(low[len(low) - rank]), 0.0), min(float(high[rank - 1]), 1.0)

    def beyond(self, signs: Floats) -> tuple[str, ...]:
        """Return which of the signs that count lie outside of what was fitted: there is nothing to go by there."""
        low, high = self.samples.signs.min(axis=0), self.samples.signs.max(axis=0)
        slack = _SLACK * (high - low)
        outside = (signs < low - slack) | (signs > high + slack)
        return tuple(name for name, out in zip(SIGNS, outside, strict=True) if out and name in self.regression.signs)

    def unusual(self, signs: Floats) -> bool:
        """Whether signs go together unlike those of the conditions, as where other classes are frequent.

        They lie farther from what goes with their accuracy than nine in ten samples from transforms not seen.
        """
        return bool(self.company.distance(signs[None])[0] > self.farthest)


def obstacle(transforms: Sequence[str]) -> str:
    """Return why conditions of these ``transforms`` (one name each) are too few to learn from; empty where not."""
    kinds = len(set(transforms))
    if len(transforms) >= FEWEST_CONDITIONS and kinds >= FEWEST_TRANSFORMS:
        return ""
    return (
        f"{len(transforms)} conditions of {kinds} transforms are too few to learn accuracy from: it takes "
        f"{FEWEST_CONDITIONS} of {FEWEST_TRANSFORMS}"
    )


def _powers(odds: Floats) -> Floats:
    return np.column_stack([np.ones(len(odds)), odds, odds**2])


def _columns(signs: Signs) -> list[int]:
    return [SIGNS.index(name) for name in signs]
