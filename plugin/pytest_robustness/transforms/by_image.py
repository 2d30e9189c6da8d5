"""See that a user's function changes each image by itself: the same pixels in every call, and whatever is beside it.

What a run stores of an image is believed in every later run. torchvision's random transforms draw once a batch, from
generators that no run seeds: one toss would decide a verdict.
"""

from __future__ import annotations

import contextlib
import pickle
import random
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from pytest_robustness.errors import TransformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    # Takes images (uint8 [B, 3, H, W]) and their draws (float64 [B, draws]), and returns the changed images.
    Call = Callable[[torch.Tensor, NDArray[np.float64]], torch.Tensor]

_IMAGES: Final = 3
# How often the same images are given, unless that takes longer: a coin that decides falls on one side in 1 of 64 cases.
_CALLS: Final = 7
_SECONDS: Final = 1.0
# Rounding may differ between batches by a level; of a warp, a few pixels may come from the one beside.
_ROUNDING: Final = 1
_FEW: Final = 1e-3


def require_by_image(name: str, call: Call, images: torch.Tensor, draws: NDArray[np.float64]) -> None:
    """Call the function of transform ``name`` on a few of ``images`` again, in other orders and alone.

    The global generators of random numbers are seeded anew before each call, and restored at the end.

    Parameters
    ----------
    name
        What messages call the transform.
    call
        Calls the function, at one level.
    images
        uint8 [B, 3, H, W], of which the first three are taken; where there are fewer, some are made of the first.
    draws
        float64 [B, draws], a row for each image.

    Raises
    ------
    TransformError
        An image gets other pixels in another call or batch, or the function draws from a global generator that it has
        not seeded itself.
    """
    others = [255 - images[:1].flip(-1), images[:1].flip(-2) // 2]
    some = torch.cat([images[:_IMAGES], *others])[:_IMAGES]
    rows = np.concatenate([draws[:_IMAGES], draws[:1], draws[:1]])[:_IMAGES]
    with _generators_restored(images.device):
        first, moves = _seeded(0, call, some, rows)
        every, differs, started = [moves], False, time.monotonic()
        for seed in range(1, _CALLS):
            again, moves = _seeded(seed, call, some, rows)
            every.append(moves)
            differs = _differ(again, first)
            if differs or time.monotonic() - started > _SECONDS:
                break
        if any(map(_draws, zip(*every, strict=True))):
            raise TransformError(f"Transform {name!r} draws random numbers of its own. {_ADVICE}")
        if differs:
            raise TransformError(
                f"Transform {name!r} gave the same images other pixels when it was called again: it draws random "
                f"numbers of its own, or keeps something from call to call. {_ADVICE}"
            )
        turned, _ = _seeded(0, call, some.flip(0), rows[::-1].copy())
        alone, _ = _seeded(0, call, some[1:2].clone(), rows[1:2].copy())
    if _differ(turned.flip(0), first) or _differ(alone, first[1:2]):
        raise TransformError(
            f"Transform {name!r} gave an image other pixels in another batch: it uses the images beside it, or their "
            f"order. {_ADVICE}"
        )


_ADVICE: Final = (
    "An image has to get the same pixels in every batch and run. Change each image by itself, and take random numbers "
    "from draws: register the function with draws=N, as docs/transforms.md shows, also for torchvision's random "
    "transforms."
)


class _Move(NamedTuple):
    """The state of a generator before a call and after it."""

    before: bytes
    after: bytes


def _draws(moves: Sequence[_Move]) -> bool:
    """Whether a generator, in a state of its own before each call, was drawn from without being seeded first."""
    return any(move.before != move.after for move in moves) and len({move.after for move in moves}) > 1


def _seeded(
    seed: int, call: Call, images: torch.Tensor, draws: NDArray[np.float64]
) -> tuple[torch.Tensor, list[_Move]]:
    """Call with the global generators seeded; return the pixels, and what became of each generator."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (a user's code may draw from it)
    random.seed(seed)
    before = _states(images.device)
    pixels = call(images, draws)
    return pixels, list(map(_Move, before, _states(images.device)))


def _states(device: torch.device) -> list[bytes]:
    states = [torch.random.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
    others = (np.random.get_state(), random.getstate())  # noqa: NPY002
    return [*(state.numpy().tobytes() for state in states), *map(pickle.dumps, others)]


@contextlib.contextmanager
def _generators_restored(device: torch.device) -> Iterator[None]:
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002


def _differ(pixels: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether more pixels differ, by more, than rounding explains."""
    return bool(((pixels.short() - others.short()).abs() > _ROUNDING).float().mean() > _FEW)
