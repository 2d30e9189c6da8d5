"""See that a user's function changes each image by itself: the same pixels in every call, and whatever is beside it.

What a run stores of an image is believed in every later run. torchvision's random transforms draw once a batch, from
generators that no run seeds: one toss would decide a verdict.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from pytest_robustness.core.errors import TransformError
from pytest_robustness.core.generators import GENERATORS, Watch, restored

if TYPE_CHECKING:
    from collections.abc import Callable

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
    watch = Watch(GENERATORS)

    def called(seed: int, images: torch.Tensor, draws: NDArray[np.float64]) -> torch.Tensor:
        with watch.call(seed):
            return call(images, draws)

    with restored(GENERATORS):
        first, differs, started = called(0, some, rows), False, time.monotonic()
        for seed in range(1, _CALLS):
            differs = _differ(called(seed, some, rows), first)
            if differs or time.monotonic() - started > _SECONDS:
                break
        if watch.drawn():
            raise TransformError(f"Transform {name!r} draws random numbers of its own. {_ADVICE}")
        if differs:
            raise TransformError(
                f"Transform {name!r} gave the same images other pixels when it was called again: it draws random "
                f"numbers of its own, or keeps something from call to call. {_ADVICE}"
            )
        turned = called(0, some.flip(0), rows[::-1].copy())
        alone = called(0, some[1:2].clone(), rows[1:2].copy())
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


def _differ(pixels: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether more pixels differ, by more, than rounding explains."""
    return bool(((pixels.short() - others.short()).abs() > _ROUNDING).float().mean() > _FEW)
