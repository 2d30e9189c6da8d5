"""Rank the images of a run by how probably they are turned, from the log-odds of their views."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.analysis.statistics.upright_view import (
    MIRROR,
    VIEWS,
    Interval,
    ViewModel,
    bounded,
    fit_views,
    likeliest_bounds,
    longest_list,
    share_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FALSE_SHARE: Final = 0.2
"""Of the images that are listed, so many may be expected to be upright."""
AGREEING: Final = 2
"""So many models have to agree on the turn of an image that is listed."""
# The 95 % quantile of the normal distribution.
_ONE_SIDED: Final = 1.645
# With fewer images a class on average, or fewer classes, nothing is said about single ones.
_IMAGES_A_CLASS: Final = 10
_FEWEST_CLASSES: Final = 3
# What each EXIF code asks for.
_TURN_BY_TAG: Final = {
    2: "hflip",
    3: "turn180",
    4: "vflip",
    5: "vflip+turn270",
    6: "turn270",
    7: "vflip+turn90",
    8: "turn90",
}


@dataclasses.dataclass(frozen=True, eq=False)
class ViewedImages:
    """What is known of the images that every model could read: n of the N of the run.

    ``positions`` int64 [n] in the run, ``by_model`` float64 [M, n, 8] log-odds of each view, ``tags`` uint8 [n],
    ``classes`` int64 [n].
    """

    models: tuple[str, ...]
    positions: NDArray[np.int64]
    by_model: NDArray[np.float64]
    tags: NDArray[np.uint8]
    classes: NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking:
    """The images in the order of suspicion, by their place in `ViewedImages`: ``order`` int64 [n].

    ``seen`` are the bounded log-odds that decide, means over the models: float64 [n, 8].
    ``probability`` that an image is turned and ``precision`` up to its rank, float64 [n] in that order; ``turn`` int64
    [n], ``agreeing`` bool [M, n] and ``listed`` bool [n] by image; ``even`` float64 [n] is the probability by image if
    accidents happen to all classes alike.
    """

    seen: NDArray[np.float64]
    fit: ViewModel
    interval: Interval
    order: NDArray[np.int64]
    probability: NDArray[np.float64]
    precision: NDArray[np.float64]
    turn: NDArray[np.int64]
    agreeing: NDArray[np.bool_]
    listed: NDArray[np.bool_]
    even: NDArray[np.float64]

    @property
    def stated(self) -> float | None:
        """The precision to expect of the list; ``None`` where it is empty."""
        chosen = self.listed[self.order]
        return float(self.probability[chosen].mean()) if chosen.any() else None

    @property
    def stated_low(self) -> float | None:
        """The lower end of what is stated; ``None`` where the list is empty.

        It supposes that accidents happen to all classes alike, and allows for chance: 95 of 100 lists of images that
        are turned with these probabilities hold a larger share of turned ones.
        """
        even = self.even[self.listed]
        if not len(even):
            return None
        deviation = float(np.sqrt((even * (1 - even)).sum())) / len(even)
        return max(float(even.mean()) - _ONE_SIDED * deviation, 0.0)


def evenly_turned(probability: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how probably images are turned if accidents happen to all classes alike: float64 [n].

    Where a class has more images that seem to be turned than the others let expect, the rest of them are upright:
    ones, eights or brooms look alike upside down. How much classes differ beyond chance is estimated from their counts
    (a gamma prior on the ratio of each to what is expected, its variance by moments), so that a class of few images
    says little by itself.

    Parameters
    ----------
    probability
        That each image is turned: float64 [n].
    classes
        The class of each: int64 [n]; all are alike where no class is known (-1).
    """
    kind = classes - classes.min()
    sizes, seeming = np.bincount(kind), np.bincount(kind, probability)
    others = len(kind) - sizes
    expected = sizes * (seeming.sum() - seeming) / np.maximum(others, 1)
    classes_seen = int(np.count_nonzero(sizes))
    if classes_seen < _FEWEST_CLASSES or len(kind) < _IMAGES_A_CLASS * classes_seen or not seeming.any():
        return probability
    # Counts vary by chance as those of Poisson do, by their expectation.
    excess = float(((seeming - expected) ** 2 - expected).sum())
    spread = max(excess / float((expected**2).sum()), 0.0)
    ratio = (seeming * spread + 1) / (expected * spread + 1)
    shared: NDArray[np.float64] = probability / np.maximum(ratio, 1.0)[kind]
    return shared


def rank_images(images: ViewedImages) -> Ranking:
    """Rank images by how probably they are turned, and list those of which that is sure enough."""
    by_model = bounded(images.by_model, likeliest_bounds(images.by_model))
    seen = by_model.mean(axis=0)
    fit = fit_views(seen)
    views = fit.probabilities(seen)
    turned = 1 - views[:, 0]
    turn = views[:, 1:].argmax(axis=1) + 1
    agreeing = _agreeing(by_model, fit, turn)
    order = np.argsort(-turned, kind="stable")
    listed = np.zeros(len(turned), np.bool_)
    listed[longest_list(turned, FALSE_SHARE)] = True
    listed &= agreeing.sum(axis=0) >= AGREEING
    probability = turned[order]
    precision = np.cumsum(probability) / np.arange(1, len(order) + 1)
    interval = share_interval(seen, fit)
    even = evenly_turned(turned, images.classes)
    return Ranking(seen, fit, interval, order, probability, precision, turn, agreeing, listed, even)


def _agreeing(by_model: NDArray[np.float64], fit: ViewModel, turn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which models by themselves prefer the turn proposed, or its mirror image, to all others: bool [M, n]."""
    every = np.arange(len(turn))
    agreeing = []
    for own in by_model:
        best = (fit.own * own + fit.mirrored * own[:, MIRROR]).argmax(axis=1)
        gains = own[every, turn] > own[:, 0]
        agreeing.append(gains & ((best == turn) | (best == np.array(MIRROR)[turn])))
    return np.array(agreeing)


def prefers_tag(images: ViewedImages, ranking: Ranking, row: int) -> bool:
    """Whether the models prefer an image as its tag says to how it is stored."""
    seen = ranking.seen[row]
    evidence = ranking.fit.own * seen + ranking.fit.mirrored * seen[list(MIRROR)]
    return bool(evidence[VIEWS.index(turn_of_tag(int(images.tags[row])))] > evidence[0])


def turn_of_tag(tag: int) -> str:
    """Return the turn that an EXIF orientation from 2 to 8 asks for."""
    return _TURN_BY_TAG[tag]
