"""Which of the views of an image is the upright one? A mixture that needs no image known to be upright.

Each image is seen as it is stored and in the seven other ways that a square can lie. Classifiers' log-odds of the
label, averaged over models, are higher for the view that people would call upright. The model of that is logistic: of
the views of an image, one is the upright view with a probability that is proportional to exp(own * L + mirrored * L'),
where L are the log-odds of the view and L' those of its mirror image. It is conditional on the views that an image has,
so nothing is assumed of how log-odds are distributed. A turned image has the views of an upright one in another order.
So where a share of the images is stored turned, the likelihood of an image is a mixture, and weights and shares are
estimated from it together: from the images alone, none of which is known to be upright.

How far log-odds count is estimated, too. Where a model recognizes an image in both of two views, or in neither, the
difference of its log-odds says little, however large: a broom lying on its side is a broom. So log-odds are bounded
softly, at the two bounds of a few that make the images most likely.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_expit, log_softmax, logit, logsumexp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

VIEWS: Final = ("control", "vflip", "turn180", "turn90", "turn270", "hflip", "vflip+turn90", "vflip+turn270")
"""What is done to an image as it is stored; the order of every axis over views."""
_STORED, _VFLIP, _TURN180, _TURN90, _TURN270, _HFLIP = range(6)
MIRROR: Final = (_HFLIP, _TURN180, _VFLIP, 6, 7, _STORED, _TURN90, _TURN270)
"""The view that is the mirror image, left to right, of each."""
_QUARTERS: Final = (_TURN90, _TURN270)

LARGEST_LOG_ODDS: Final = float(logit(1 - 2.0**-24))
"""About 16.6: what a probability in 32 bits can tell from 1."""
BOUNDS: Final = tuple((low, high) for low in (LARGEST_LOG_ODDS, 8.0, 4.0) for high in (LARGEST_LOG_ODDS, 4.0, 2.0))
"""Down to which log-odds, below 0, and up to which a difference counts."""
# A further kind of turn has to raise the log-likelihood by so much: the ratio of likelihoods is 20, or 150.
_MIRRORED_TWIN: Final = 3.0
_LEFT_TO_RIGHT: Final = 5.0
# Models notice mirroring where they tell so many images from their mirror images. Of digits it is 95 %; of photographs
# 51 to 63 %, for models that were trained with mirrored ones.
_TOLD: Final = 0.75
# Half of the 95 % quantile of chi-squared with one degree of freedom.
_INTERVAL_DROP: Final = 1.92
_SMALLEST, _LARGEST = 1e-7, 0.98
_ROUNDS: Final = 100
# Imagined images that are upright, and a prior on the first weight with its centre at 1: where the images say nothing,
# none is turned, and where they are perfectly apart, the weight stays finite.
_UPRIGHT: Final = 2.0


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True, eq=False)
class ViewModel:
    """What the images say of turned ones among them.

    ``own`` and ``mirrored`` weigh the log-odds of a view and of its mirror image. ``shares`` are those of the images
    that each of `VIEWS` sets upright: float64 [8], that of the stored view first; they sum to 1. ``log_likelihood`` is
    that of all images. ``mirror_told`` says whether the models notice that an image is mirrored: without, nothing is
    known of mirrored images, and no share counts them.
    """

    own: float
    mirrored: float
    shares: Array
    log_likelihood: float
    mirror_told: bool = False

    @property
    def turned(self) -> float:
        """The share of the images that are not stored upright."""
        return float(1 - self.shares[_STORED])

    def relative(self, log_odds: Array) -> Array:
        """Return the logarithm of how probable each view is as the upright one, were all turns as frequent: [N, 8]."""
        return np.asarray(log_softmax(self.own * log_odds + self.mirrored * log_odds[:, MIRROR], axis=1))

    def probabilities(self, log_odds: Array) -> Array:
        """Return how probable it is of each view that it is the upright one: float64 [N, 8], each row sums to 1.

        ``log_odds`` are float64 [N, 8].
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(log_softmax(np.log(self.shares) + self.relative(log_odds), axis=1)))


def log_odds(probability: NDArray[np.floating]) -> Array:
    """Return log(p / (1 - p)), at most 16.6 in size: what lies beyond is rounding."""
    with np.errstate(divide="ignore"):
        return np.clip(logit(np.asarray(probability, np.float64)), -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)


def bounded(log_odds: Array, bounds: tuple[float, float]) -> Array:
    """Return log-odds that are softly kept between -low and high; ``bounds`` are (low, high)."""
    low, high = bounds
    return np.asarray(np.logaddexp(0, log_odds + low) - np.logaddexp(0, log_odds - high) - low)


def likeliest_bounds(by_model: Array) -> tuple[float, float]:
    """Return those of `BOUNDS` that make the views of images, float64 [M, N, 8] by model, most likely."""
    turns = (_VFLIP, *_QUARTERS)
    return max(BOUNDS, key=lambda one: _maximum(bounded(by_model, one).mean(axis=0), turns).log_likelihood)


def fit_views(log_odds: Array) -> ViewModel:
    """Fit weights and shares to the views of images: float64 [N, 8], mean log-odds by view, all finite.

    A kind of turn takes part where the images ask for it. Models that were trained with mirrored images hardly tell an
    image from its mirror image. So an image that is upside down is set upright by ``vflip``, unless the images show
    that ``turn180`` suits them better; and ``hflip`` needs the strongest evidence.
    """
    only_flipped = _maximum(log_odds, (_VFLIP, *_QUARTERS))
    fits = [_maximum(log_odds, turns) for turns in ((_TURN180, *_QUARTERS), (_VFLIP, _TURN180, *_QUARTERS))]
    best = max(fits, key=lambda fit: fit.log_likelihood)
    chosen = best if best.log_likelihood > only_flipped.log_likelihood + _MIRRORED_TWIN else only_flipped
    return _with_mirrored(log_odds, chosen)


def share_interval(log_odds: Array, fit: ViewModel) -> Interval:
    """Return the interval of the share of turned images, from the profile of the likelihood; the weights are kept.

    Mirrored images count where the models notice them.
    """
    turns, share = _turns_of(fit), fit.turned
    if fit.mirror_told and _HFLIP not in turns:
        turns = (*turns, _HFLIP)
        fit = _maximum(log_odds, turns)
    relative = np.exp(fit.relative(log_odds))
    upright, turned = relative[:, _STORED], relative[:, turns]
    # The likelihood is concave in the shares, so the profile is, too: within bounds it is largest at the one nearest.
    best = float(np.clip(_best_shares(upright, turned)[0], _SMALLEST, _LARGEST))
    most = _profile(upright, turned, best)

    def above(at: float) -> float:
        return _profile(upright, turned, float(expit(at))) - most + _INTERVAL_DROP

    centre, bottom, top = (float(logit(share)) for share in (best, _SMALLEST, _LARGEST))
    low = 0.0 if above(bottom) >= 0 else float(expit(brentq(above, bottom, centre, xtol=0.01)))
    high = 1.0 if above(top) >= 0 else float(expit(brentq(above, centre, top, xtol=0.01)))
    # Evidence of mirrored images that is too weak to give them a share makes the upper end higher, and not the lower.
    return Interval(min(low, share), high)


def _turns_of(fit: ViewModel) -> tuple[int, ...]:
    """Return the turns that have a share in ``fit``; those that are looked for in any case where none has."""
    return tuple(np.flatnonzero(fit.shares[1:] > 0) + 1) or (_VFLIP, *_QUARTERS)


def _best_shares(upright: Array, turned: Array, total: float | None = None) -> tuple[float, Array]:
    """Return the share of all turned images, ``total`` where it is given, and how the turns divide it: float64 [t].

    By expectation and maximization; ``upright`` float64 [N] and ``turned`` float64 [N, t] are likelihoods.
    """
    share, among = 0.1 if total is None else total, np.full(turned.shape[1], 1 / turned.shape[1])
    for _ in range(_ROUNDS):
        probable = share * among * turned
        probable /= ((1 - share) * upright + probable.sum(axis=1))[:, None]
        weight = probable.sum(axis=0)
        among = (weight + 1e-12) / (weight + 1e-12).sum()
        share = float(weight.sum() / len(upright)) if total is None else share
    return share, among


def _profile(upright: Array, turned: Array, total: float) -> float:
    """Return the largest log-likelihood where ``total`` is the share of all turned images."""
    _, among = _best_shares(upright, turned, total)
    return float(np.log((1 - total) * upright + total * (turned @ among)).sum())


def longest_list(probability: Array, false_share: float) -> NDArray[np.int64]:
    """Return the images to list, the most probable first: as many as keep the expected share of false ones down.

    Parameters
    ----------
    probability
        That each image is turned: float64 [N].
    false_share
        How many of the list may be expected to be upright. No image is listed that is more probably upright.
    """
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    within = 1 - np.cumsum(ranked) / np.arange(1, len(ranked) + 1) <= false_share
    listed: NDArray[np.int64] = order[within & (ranked >= 0.5)]
    return listed


def _with_mirrored(log_odds: Array, fit: ViewModel) -> ViewModel:
    """Return ``fit`` with whether models notice mirroring, and with a share of mirrored images where that is likelier.

    Many mirrored images make both weights alike, as if nobody noticed. So weights and shares are estimated anew, with
    mirrored images, and compared with a fit to which an image and its mirror image are the same.
    """
    turns = _turns_of(fit)
    free = _maximum(log_odds, (*turns, _HFLIP))
    apart = np.abs((free.own - free.mirrored) * (log_odds[:, _STORED] - log_odds[:, _HFLIP]))
    alike = _maximum(log_odds, turns, ratios=(1.0, 1.0))
    if expit(apart).mean() < _TOLD or free.log_likelihood < alike.log_likelihood + _LEFT_TO_RIGHT:
        return fit
    better = free if free.log_likelihood >= fit.log_likelihood + _LEFT_TO_RIGHT else fit
    return dataclasses.replace(better, mirror_told=True)


def _maximum(log_odds: Array, turns: Sequence[int], ratios: tuple[float, float] = (0.0, 1.0)) -> ViewModel:
    """Maximize the likelihood where only ``turns`` have a share, with a ratio of the weights within ``ratios``."""
    mirror, columns = log_odds[:, MIRROR], [_STORED, *turns]

    def loss(point: Array) -> tuple[float, Array]:
        own, ratio, share, among = _unpacked(point)
        both = log_odds + ratio * mirror
        relative = log_softmax(own * both, axis=1)
        shares = np.concatenate([[log_expit(-share)], log_expit(share) + among])
        parts = shares + relative[:, columns]
        mixture = logsumexp(parts, axis=1)
        probable, expected = np.exp(parts - mixture[:, None]), np.exp(relative)
        slope = (probable * both[:, columns]).sum() - (expected * both).sum()
        tilt = (probable * mirror[:, columns]).sum() - (expected * mirror).sum()
        weight = probable.sum(axis=0)
        turned = weight[1:].sum()
        gradient = [
            own * slope - point[0],
            own * tilt,
            turned * expit(-share) - (weight[0] + _UPRIGHT) * expit(share),
            *(weight[1:] - turned * np.exp(among)),
        ]
        prior = _UPRIGHT * log_expit(-share) - point[0] ** 2 / 2
        return -float(mixture.sum() + prior), -np.array(gradient)

    bounds = [(-6.0, 4.0), ratios, (float(logit(_SMALLEST)), float(logit(_LARGEST))), *[(-8.0, 8.0)] * len(turns)]
    found = [minimize(loss, one, jac=True, method="L-BFGS-B", bounds=bounds) for one in _starts(turns, ratios)]
    best = min(found, key=lambda one: float(one.fun))
    own, ratio, share, among = _unpacked(best.x)
    shares = np.zeros(len(VIEWS))
    shares[columns] = expit(-share), *(expit(share) * np.exp(among))
    return ViewModel(own, own * ratio, shares, -float(best.fun))


def _starts(turns: Sequence[int], ratios: tuple[float, float]) -> list[Array]:
    """Return where to start from: few images turned, or many; and few, many or most mirrored, and noticed."""
    starts = [[0.0, float(np.clip(0.5, *ratios)), share, *[0.0] * len(turns)] for share in (-4.0, -0.5)]
    if _HFLIP in turns:
        among = [3.0 if turn == _HFLIP else 0.0 for turn in turns]
        starts += [[0.0, ratios[0], share, *among] for share in (-4.0, -0.5, 2.0)]
    return [np.array(start) for start in starts]


def _unpacked(point: Array) -> tuple[float, float, float, Array]:
    """Return the first weight, the second relative to it, the log-odds of being turned, and how turns divide that."""
    return float(np.exp(point[0])), float(point[1]), float(point[2]), log_softmax(point[3:])
