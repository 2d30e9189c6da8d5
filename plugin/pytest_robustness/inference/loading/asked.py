"""Ask a module about a few images, and see that the same images get the same answers whenever they come.

What a run stores of an image is believed in every later run. A branch that is dropped with a chance of 10 % gives the
same answers to most batches, so answers alone do not decide: whoever draws random numbers is seen to draw them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import pickle
import random
import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.generators import GENERATORS, RandomGenerator, Watch
from pytest_robustness.inference.logits import logits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

_log = logging.getLogger(__name__)

# The largest distance of an image's logits in one call from those in another, relative to the longest row: rounding.
ROUNDING: Final = 1e-3
# The images of the batch that is asked about, and the one that is asked about alone.
SEVERAL: Final = (0, 1, 2)
ALONE: Final = (1,)
# How often the batch is given once more where something was drawn or differed, unless that takes longer than a second.
_MORE_CALLS: Final = 5
_FEWEST_CALLS: Final = 2
_SECONDS: Final = 1.0


class Asked:
    """A module with the images that it is asked about; ``plain`` as long as it has returned nothing but tensors.

    All generators of random numbers are seeded anew before each call but the first that succeeds: weights that a module
    makes then follow from the seed of whoever made the module.
    """

    def __init__(self, module: nn.Module, inputs: torch.Tensor) -> None:
        self.module = module
        self.inputs = inputs
        self.plain = True
        self.watch = Watch((*GENERATORS, *_held(module)))
        self._answers: dict[tuple[int, ...], list[torch.Tensor]] = {}
        self._seeds = itertools.count(1)

    def logits(self, *places: int) -> torch.Tensor:
        """Return the logits of the images at ``places``, in one batch."""
        watched = self.watch.call(next(self._seeds)) if self._answers else contextlib.nullcontext()
        with torch.inference_mode(), watched:
            # Cloned: a module may write into its input.
            output = self.module(self.inputs[torch.tensor(places)].clone())
            self.plain = self.plain and type(output) is torch.Tensor
            logits = logits_of(output, len(places)).clone()
        self._answers.setdefault(places, []).append(logits)
        return logits

    def error(self, *places: int) -> Exception | None:
        """Return the error that the images at ``places`` lead to, in one batch; ``None`` if they lead to none."""
        try:
            self.logits(*places)
        except Exception as error:
            _log.debug("a first batch of %d images failed", len(places), exc_info=True)
            return error
        return None

    def takes_one_channel(self) -> bool:
        """Return whether the module takes one channel of an image [B, 3, H, W]."""
        grey = Asked(self.module, self.inputs[:, :1])
        return self.inputs.shape[1] == 3 and grey.error(1) is None

    def times(self, *places: int) -> int:
        """Return how often the images at ``places`` were answered, in one batch."""
        return len(self._answers.get(places, ()))

    def apart(self, skipped: int = 0) -> float:
        """Return how far answers to the same batch are apart, without the first ``skipped`` to each batch."""
        every = (answers[skipped:] for answers in self._answers.values())
        return max((distance(again, first) for first, *others in filter(None, every) for again in others), default=0.0)


def require_same_answers(name: str, asked: Asked) -> None:
    """Ask again, and refuse a model that answers by chance.

    Two calls that agree, and draw nothing, are enough. Otherwise others follow, of which the first to each batch does
    not count: a module may make weights in it, or a compiler warm up.

    Raises
    ------
    ModelError
        The same images got other logits, or the model draws random numbers in every call.
    """
    while asked.times(*SEVERAL) < 2:
        asked.logits(*SEVERAL)
    if not asked.watch.drawn() and asked.apart() <= ROUNDING:
        return
    started = time.monotonic()
    for call in range(1, _MORE_CALLS + 1):
        asked.logits(*SEVERAL)
        spent = time.monotonic() - started
        if asked.apart(skipped=1) > ROUNDING or (call >= _FEWEST_CALLS and spent > _SECONDS):
            break
    asked.logits(*ALONE)
    away = asked.apart(skipped=1)
    differs = away > ROUNDING
    drawn = asked.watch.drawn() if differs else asked.watch.always_drawn()
    if drawn:
        seen = (
            f"differ by {away:.1%} of their size" if differs else "are the same so far, which proves nothing of others"
        )
        raise ModelError(
            f"{name} draws random numbers when it answers, from {' and '.join(drawn)}: its logits of the same images "
            f"{seen}. {_ADVICE}"
        )
    if differs:
        raise ModelError(
            f"{name} answers the same images in two ways (its logits differ by {away:.1%} of their size), and draws "
            f"from no generator that is known: it has one of its own, or remembers images. {_ADVICE}"
        )


_ADVICE: Final = (
    "Its figures would be a matter of chance. Call .eval() in the factory, of modules in a plain list too, give "
    "functional dropout training=self.training, and leave out what is random. To judge the mean of several draws, seed "
    "a torch.Generator inside forward, and draw the same numbers for every image."
)


def distance(logits: torch.Tensor, others: torch.Tensor, rows: torch.Tensor | None = None) -> float:
    """Return how far rows of logits are at most from ``others``, by the longest of ``rows``, or of ``logits``.

    It is 1 where the two have not the same shape. Minus infinity, of an output that is ruled out, counts for nothing: a
    logarithm may be that by rounding alone. Nor does a row with another value that is not finite.
    """
    if logits.shape != others.shape:
        return 1.0
    ruled_out = (logits == -torch.inf) | (others == -torch.inf)
    apart = (logits.float() - others.float()).masked_fill(ruled_out, 0.0).norm(dim=1)
    rows = logits if rows is None else rows
    lengths = rows.float().masked_fill(rows == -torch.inf, 0.0).norm(dim=1)
    apart, lengths = (norms.masked_fill(~norms.isfinite(), 0.0) for norms in (apart, lengths))
    return float(apart.max() / lengths.max().clamp_min(1e-12))


def _held(module: nn.Module) -> Iterator[RandomGenerator]:
    """Yield the generators that the parts of a module hold: where a state goes on from call to call, so do answers.

    They are never seeded, so that those are left alone of which the module seeds none.
    """
    held = {id(value): value for part in module.modules() for value in vars(part).values() if type(value) in _KINDS}
    for value in held.values():
        yield RandomGenerator("a generator of its own", functools.partial(_state, value), _left_alone, _left_alone)


_KINDS: Final = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


def _state(generator: object) -> bytes:
    if isinstance(generator, torch.Generator):  # whose pickles hold addresses
        return bytes(generator.get_state().numpy())
    return pickle.dumps(generator)


def _left_alone(_: object) -> None:
    return None
