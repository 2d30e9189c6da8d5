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
    fit_views,
    longest_list,
    share_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FALSE_SHARE: Final = 0.2
"""Of the images that are listed, so many may be expected to be upright."""
AGREEING: Final = 2
"""So many models have to agree on the turn of an image that is listed."""
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

    ``positions`` int64 [n] in the run, ``by_model`` float64 [M, n, 8] log-odds of each view, ``tags`` uint8 [n].
    """

    models: tuple[str, ...]
    positions: NDArray[np.int64]
    by_model: NDArray[np.float64]
    tags: NDArray[np.uint8]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean over the models: float64 [n, 8]."""
        return np.asarray(self.by_model.mean(axis=0))


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking:
    """The images in the order of suspicion, by their place in `ViewedImages`: ``order`` int64 [n].

    ``probability`` that an image is turned and ``precision`` up to its rank, float64 [n] in that order; ``turn`` int64
    [n], ``agreeing`` bool [M, n] and ``listed`` bool [n] by image.
    """

    fit: ViewModel
    interval: Interval
    order: NDArray[np.int64]
    probability: NDArray[np.float64]
    precision: NDArray[np.float64]
    turn: NDArray[np.int64]
    agreeing: NDArray[np.bool_]
    listed: NDArray[np.bool_]

    @property
    def stated(self) -> float | None:
        """The precision to expect of the list; ``None`` where it is empty."""
        chosen = self.listed[self.order]
        return float(self.probability[chosen].mean()) if chosen.any() else None


def rank_images(images: ViewedImages) -> Ranking:
    """Rank images by how probably they are turned, and list those of which that is sure enough."""
    fit = fit_views(images.mean)
    views = fit.probabilities(images.mean)
    turned = 1 - views[:, 0]
    turn = views[:, 1:].argmax(axis=1) + 1
    agreeing = _agreeing(images, fit, turn)
    order = np.argsort(-turned, kind="stable")
    listed = np.zeros(len(turned), np.bool_)
    listed[longest_list(turned, FALSE_SHARE)] = True
    listed &= agreeing.sum(axis=0) >= AGREEING
    probability = turned[order]
    precision = np.cumsum(probability) / np.arange(1, len(order) + 1)
    interval = share_interval(images.mean, fit)
    return Ranking(fit, interval, order, probability, precision, turn, agreeing, listed)


def _agreeing(images: ViewedImages, fit: ViewModel, turn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which models by themselves prefer the turn proposed, or its mirror image, to all others: bool [M, n]."""
    every = np.arange(len(turn))
    agreeing = []
    for own in images.by_model:
        best = (fit.own * own + fit.mirrored * own[:, MIRROR]).argmax(axis=1)
        gains = own[every, turn] > own[:, 0]
        agreeing.append(gains & ((best == turn) | (best == np.array(MIRROR)[turn])))
    return np.array(agreeing)


def prefers_tag(images: ViewedImages, fit: ViewModel, row: int) -> bool:
    """Whether the models prefer an image as its tag says to how it is stored."""
    mean = images.mean[row]
    evidence = fit.own * mean + fit.mirrored * mean[list(MIRROR)]
    return bool(evidence[VIEWS.index(_TURN_BY_TAG[int(images.tags[row])])] > evidence[0])
