"""A transform of one's own changes each image by itself, or is refused."""

from __future__ import annotations

import functools
import itertools
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core.errors import TransformError
from pytest_robustness.transforms import Registry, standard
from tests.identities import identified

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., torch.Tensor]

DRAWS = "draws random numbers of its own"
KEEPS = "gave the same images other pixels when it was called again"
BATCH = "gave an image other pixels in another batch"


def images(count: int) -> torch.Tensor:
    """Return images of which each is darker than the one before."""
    pixels = torch.rand(count, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    return (255 * pixels / torch.arange(1, count + 1)[:, None, None, None]).to(torch.uint8)


def applied(function: Function, count: int = 5, level: float | None = None, **options: Any) -> torch.Tensor:
    known = Registry()
    known.transform("own", version=1, levels=None if level is None else [level], **options)(function)
    return known.get("own")(images(count), None if level is None else 1, identified(range(count)), 0)


def noisy(images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    return (images + 40 * noise).clamp(0, 255).to(torch.uint8)


def tossed(toss: Callable[[], float]) -> Function:
    return lambda images: images.flip(-1) if toss() < 0.5 else images


def seeded_by_place(images: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return noisy(images, torch.rand(images.shape))


def forked(images: torch.Tensor) -> torch.Tensor:
    with torch.random.fork_rng(devices=[]):
        return noisy(images, torch.rand(images.shape))


def counting() -> Function:
    calls = itertools.count()
    return lambda images: images.flip(-1) if next(calls) % 2 else images


OWN_GENERATOR = np.random.default_rng()

REFUSED: dict[str, tuple[Function, str]] = {
    "torchvision's flip": (v2.RandomHorizontalFlip(0.5), DRAWS),
    "torchvision's rotation": (v2.RandomRotation(40), DRAWS),
    "torchvision's blur": (v2.GaussianBlur(5), DRAWS),
    "a chain of torchvision's": (v2.Compose([v2.RandomInvert(0.5), v2.RandomAdjustSharpness(2.0)]), DRAWS),
    "numpy's global generator": (tossed(np.random.rand), DRAWS),
    "python's global generator": (tossed(random.random), DRAWS),
    "a seldom toss": (lambda images: images.flip(-1) if torch.rand(1) < 0.001 else images, DRAWS),
    "what wraps a built-in one": (functools.wraps(standard.hflip)(tossed(np.random.rand)), DRAWS),
    "a generator that is restored": (forked, KEEPS),
    "a generator of its own": (
        lambda images: noisy(images, torch.from_numpy(OWN_GENERATOR.random(images.shape))),
        KEEPS,
    ),
    "a count of calls": (counting(), KEEPS),
    "mixed with its neighbour": (lambda images: images // 2 + images.roll(1, 0) // 2, BATCH),
    "the mean of the batch": (
        lambda images: (images - images.float().mean()).clamp(0, 255).to(torch.uint8),
        BATCH,
    ),
    "noise by place in the batch": (seeded_by_place, BATCH),
    "the first image": (lambda images: images.index_fill(0, torch.tensor([0]), 0), BATCH),
}


def seeded(images: torch.Tensor) -> torch.Tensor:
    """Add the same noise to every image."""
    torch.manual_seed(0)
    return noisy(images, torch.rand(images.shape[1:]))


def as_documented(images: torch.Tensor, draws: np.ndarray) -> torch.Tensor:
    turn, turned = v2.RandomRotation(40), []
    with torch.random.fork_rng(devices=[]):
        for image, draw in zip(images, draws[:, 0], strict=True):
            torch.manual_seed(int(draw * 2**32))
            turned.append(turn(image))
    return torch.stack(turned)


TAKEN: dict[str, tuple[Function, dict[str, Any]]] = {
    "nothing": (lambda images: images, {}),
    "in place": (lambda images: images.mul_(0), {}),
    "a warp": (lambda images: tvf.rotate(images, 17, interpolation=v2.InterpolationMode.BILINEAR), {}),
    "a convolution": (lambda images: tvf.gaussian_blur(images, [5, 5], [1.3, 1.3]), {}),
    "each image's own mean": (
        lambda x: (x - x.float().mean((1, 2, 3), keepdim=True)).clamp(0, 255).to(torch.uint8),
        {},
    ),
    "the same noise": (seeded, {}),
    "levels": (lambda images, level: (images * level).to(torch.uint8), {"level": 0.5}),
    "draws": (lambda images, draws: (images * torch.as_tensor(draws)[:, :, None, None]).to(torch.uint8), {"draws": 1}),
    "torchvision's, seeded by draws": (as_documented, {"draws": 1}),
}


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("case", REFUSED)
def test_what_depends_on_anything_but_the_image_is_refused(case: str, count: int) -> None:
    function, why = REFUSED[case]
    with pytest.raises(TransformError, match=rf"^Transform 'own' {why}.*docs/transforms\.md"):
        applied(function, count)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("case", TAKEN)
def test_what_depends_on_the_image_and_its_draws_is_taken(case: str, count: int) -> None:
    function, options = TAKEN[case]
    assert applied(function, count, **options).shape == (count, 3, 20, 24)


def test_the_documented_way_to_torchvisions_random_transforms_gives_an_image_the_same_pixels_in_any_batch() -> None:
    known = Registry()
    known.transform("own", version=1, draws=1)(as_documented)
    own, some, names = known.get("own"), images(6), identified(range(6))
    whole = own(some, None, names, 0)
    torch.manual_seed(5)
    parts = [own(some[part], None, names[part], 0) for part in (slice(0, 1), slice(1, 4), slice(4, 6))]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(whole, some)


def test_a_function_is_asked_at_each_level_once_and_between_them_once() -> None:
    calls: list[float] = []

    def own(images: torch.Tensor, level: float) -> torch.Tensor:
        calls.append(level)
        return images

    known = Registry()
    known.transform("own", version=1, levels=(0.2, 0.4), neutral=0)(own)
    several = []
    for name, severity in (("own", 1), ("own", 2), ("own", 1), ("own:0.3", None), ("own:0.1", None), ("own:0.3", None)):
        calls.clear()
        known.get(name)(images(4), severity, identified(range(4)), 0)
        several.append(len(calls) > 1)
    assert several == [True, True, False, True, False, False]


def test_global_generators_are_as_before() -> None:
    def states() -> str:
        return repr((random.getstate(), np.random.get_state(), torch.random.get_rng_state().tolist()))  # noqa: NPY002

    before = states()
    applied(lambda images: images)
    assert states() == before
