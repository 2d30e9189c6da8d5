"""The built-in transforms against torchvision's functional ops, one image at a time, with the same parameters."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core.errors import TransformError
from pytest_robustness.transforms import builtin, warps
from pytest_robustness.transforms.corners import draw_corners, image_corners
from pytest_robustness.transforms.cpu.choice import KernelChoice
from pytest_robustness.transforms.random_draws import uniforms
from tests.identities import identified

PHOTOS = Path(__file__).resolve().parents[2] / "../shared/data/imagenet-sample"
SEED = 11
KNOWN = builtin()
LEVELS = {item.name: item.levels for item in KNOWN.describe()}
CONDITIONS = [(name, severity) for name in KNOWN.names() for severity in KNOWN.get(name).severities or (None,)]


def noise(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(count), dtype=torch.uint8
    )


def gradients(height: int, width: int) -> torch.Tensor:
    """Left to right, top to bottom, and along the diagonal, one per channel; and the same in another order."""
    across, down = torch.linspace(0, 255, width).expand(height, width), torch.linspace(0, 255, height)[:, None]
    channels = torch.stack([across, down.expand(height, width), (across + down) / 2]).to(torch.uint8)
    return torch.stack([channels, channels.flip(0)])


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """Eight photographs as canvases: uint8 [8, 3, 256, 256]."""
    if not PHOTOS.is_dir():
        pytest.skip("the sample of ImageNet's photographs is not beside the checkout")
    paths = sorted(PHOTOS.glob("*/*.JPEG"))[::125]
    images = [tvf.pil_to_tensor(Image.open(path).convert("RGB")) for path in paths]
    return torch.stack([tvf.center_crop(tvf.resize(image, [256]), [256, 256]) for image in images])


def apply(
    name: str, severity: int | None, images: torch.Tensor, indices: np.ndarray | None = None, seed: int = SEED
) -> torch.Tensor:
    return KNOWN.get(name)(images, severity, identified(range(len(images)) if indices is None else indices), seed)


def affine(image: torch.Tensor, *, offset: tuple[int, int] = (0, 0), scale: float = 1.0) -> torch.Tensor:
    return tvf.affine(image, 0.0, list(offset), scale, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)


def torchvision(name: str, severity: int | None, image: torch.Tensor, index: int) -> torch.Tensor:
    """What torchvision's own op gives for one image and the parameters that its draws stand for."""
    height, width = image.shape[-2:]
    level = LEVELS[name][severity - 1] if LEVELS[name] and severity else 0.0

    def signs(count: int) -> list[int]:
        return [1 if draw >= 0.5 else -1 for draw in uniforms(SEED, name, identified([index]), count)[0]]

    match name:
        case "rotation":
            return tvf.rotate(image, signs(1)[0] * level, interpolation=InterpolationMode.BILINEAR)
        case "translate":
            right, down = signs(2)
            return affine(image, offset=(right * round(level * width), down * round(level * height)))
        case "zoom":
            return affine(image, scale=level)
        case "perspective":
            corners = draw_corners(uniforms(SEED, name, identified([index]), 8), level, height, width)[0]
            return tvf.perspective(image, image_corners(height, width).tolist(), corners.tolist())
        case "brightness":
            return tvf.adjust_brightness(image, level)
        case "equalize":
            return tvf.equalize(image)
        case "hflip":
            return tvf.horizontal_flip(image)
        case "vflip":
            return tvf.vertical_flip(image)
    zoomed = affine(tvf.equalize(image), scale=LEVELS["zoom"][(severity or 0) - 1])
    return tvf.adjust_brightness(zoomed, LEVELS["brightness"][(severity or 0) - 1])


def assert_agrees_with_torchvision(name: str, severity: int | None, images: torch.Tensor) -> None:
    expected = torch.stack([torchvision(name, severity, image, index) for index, image in enumerate(images)])
    result = apply(name, severity, images)
    if name in {"brightness", "equalize", "hflip", "vflip"}:
        assert torch.equal(result, expected)
    else:
        distance = (result.int() - expected.int()).abs().flatten(1)
        assert distance.max() <= 1
        # Truncation instead of rounding would change half of the values; of 8 x 8 pixels two are 1 %.
        assert (distance > 0).double().mean(1).max() <= (0.02 if name == "perspective" else 0.001)


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_photographs_come_out_as_torchvision_makes_them(photos: torch.Tensor, name: str, severity: int | None) -> None:
    assert_agrees_with_torchvision(name, severity, photos)


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_gradients_come_out_as_torchvision_makes_them(name: str, severity: int | None) -> None:
    for height, width in [(8, 8), (16, 16), (33, 47), (224, 224)]:
        assert_agrees_with_torchvision(name, severity, gradients(height, width))


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_noise_comes_out_as_torchvision_makes_it(name: str, severity: int | None) -> None:
    for height, width in [(8, 8), (16, 16), (33, 47)]:
        assert_agrees_with_torchvision(name, severity, noise(12, height, width))


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_a_batch_gives_what_its_images_give_one_by_one(name: str, severity: int | None) -> None:
    for height, width in [(1, 1), (1, 7), (7, 1), (2, 2), (2, 3), (3, 3), (4, 4), (5, 9), (33, 47)]:
        images, indices = noise(6, height, width), np.array([4, 0, 1000, 7, 8, 4])
        whole = apply(name, severity, images, indices)
        alone = [apply(name, severity, images[i : i + 1], indices[i : i + 1]) for i in range(6)]
        assert torch.equal(whole, torch.cat(alone))


@settings(deadline=None, max_examples=40)
@given(condition=st.sampled_from(CONDITIONS), order=st.permutations(range(6)), split=st.integers(0, 6))
def test_order_and_split_of_batches_change_nothing(
    condition: tuple[str, int | None], order: list[int], split: int
) -> None:
    images, indices = noise(6, 19, 16), np.arange(100, 106)
    whole = apply(*condition, images, indices)
    halves = [apply(*condition, images[part], indices[part]) for part in (order[:split], order[split:])]
    assert torch.equal(torch.cat(halves), whole[order])


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_transforms_keep_the_form_and_never_touch_the_input(name: str, severity: int | None) -> None:
    for images in (noise(3, 12, 17), noise(3, 12, 17).contiguous(memory_format=torch.channels_last), noise(0, 8, 8)):
        before = images.clone()
        result = apply(name, severity, images)
        assert (result.shape, result.dtype, result.device) == (images.shape, torch.uint8, images.device)
        assert result.data_ptr() != images.data_ptr() or not images.numel()
        assert torch.equal(images, before)


@pytest.mark.parametrize("name", ["rotation", "translate", "perspective"])
def test_seeds_and_images_draw_differently(name: str) -> None:
    images = noise(1, 32, 32).expand(16, -1, -1, -1)
    first, again, other = (apply(name, 3, images, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert any(not torch.equal(first[0], image) for image in first)


@settings(deadline=None, max_examples=50)
@given(name=st.sampled_from(["hflip", "vflip"]), height=st.integers(1, 20), width=st.integers(1, 20))
def test_flips_undo_themselves(name: str, height: int, width: int) -> None:
    images = noise(2, height, width)
    assert torch.equal(apply(name, None, apply(name, None, images)), images)


@pytest.mark.parametrize("side", [7, 8, 224, 256])
def test_a_rotation_by_90_degrees_is_a_quarter_turn(side: int) -> None:
    images = noise(12, side, side)
    clockwise, counter = torch.rot90(images, -1, (2, 3)), torch.rot90(images, 1, (2, 3))
    signs = uniforms(SEED, "rotation", identified(range(12)), 1)[:, 0] < 0.5
    assert 0 < signs.sum() < 12
    expected = torch.where(torch.from_numpy(signs)[:, None, None, None], clockwise, counter)
    assert torch.equal(apply("rotation", 5, images), expected)


@settings(deadline=None, max_examples=50)
@given(severity=st.integers(1, 5), height=st.integers(1, 40), width=st.integers(1, 40), index=st.integers(0, 1_281_167))
def test_a_translation_moves_whole_pixels(severity: int, height: int, width: int, index: int) -> None:
    image, fraction = noise(1, height, width), LEVELS["translate"][severity - 1]
    right, down = np.where(uniforms(SEED, "translate", identified([index]), 2)[0] < 0.5, -1, 1)
    x, y = int(right) * round(fraction * width), int(down) * round(fraction * height)
    expected = torch.zeros_like(image)
    expected[..., max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
        ..., max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
    ]
    assert torch.equal(apply("translate", severity, image, np.array([index])), expected)


def test_brightness_of_one_and_a_half_saturates_from_170_on() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    expected = torch.tensor([min(value * 3 // 2, 255) for value in range(256)], dtype=torch.uint8).view(16, 16)
    assert torch.equal(apply("brightness", 3, values)[0, 0], expected)
    assert expected.flatten()[170] == 255


@settings(deadline=None, max_examples=50)
@given(value=st.integers(0, 255))
def test_brightness_never_falls_with_severity(value: int) -> None:
    image = torch.full((1, 3, 2, 2), value, dtype=torch.uint8)
    steps = [int(apply("brightness", severity, image)[0, 0, 0, 0]) for severity in (1, 2, 3, 4, 5)]
    assert steps == sorted(steps)
    assert steps[0] >= value


def test_brightness_moves_photographs_further_with_severity(photos: torch.Tensor) -> None:
    distances = [
        (apply("brightness", k, photos).int() - photos.int()).abs().double().mean((1, 2, 3)) for k in range(1, 6)
    ]
    assert (torch.stack(distances).diff(dim=0) > 0).all()


def test_equalize_leaves_an_image_of_one_value_alone_whatever_is_beside_it() -> None:
    images = torch.cat([torch.full((1, 3, 16, 16), 90, dtype=torch.uint8), noise(1, 16, 16)])
    assert torch.equal(apply("equalize", None, images)[0], images[0])


def displacement(monkeypatch: pytest.MonkeyPatch, name: str, severity: int, side: int = 32) -> torch.Tensor:
    """How far from its place each of 64 images is sampled at its corner pixels, on average: [64], in pixels."""
    grids: list[torch.Tensor] = []
    monkeypatch.setattr(warps, "CHOICE", KernelChoice(sys.maxsize))  # however many pixels other tests have changed
    monkeypatch.setattr(warps, "grid_sample", lambda images, grid, **_: (grids.append(grid), images)[1])
    apply(name, severity, noise(64, side, side))
    centre = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], [1, 1, side, side], align_corners=False)
    moved = (grids[0] - centre)[:, :: side - 1, :: side - 1] * side / 2
    return moved.norm(dim=-1).mean((1, 2))


@pytest.mark.parametrize("name", ["rotation", "zoom"])
def test_corners_move_further_with_severity(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    steps = torch.stack([displacement(monkeypatch, name, severity) for severity in (1, 2, 3, 4, 5)])
    assert (steps.diff(dim=0) > 0).all()
    assert steps[0].min() > 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1)])
def test_perspective_leaves_a_line_of_pixels_alone(height: int, width: int) -> None:
    images = noise(4, height, width)
    assert torch.equal(apply("perspective", 5, images), images)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turns_are_those_of_pillow(quarters: int) -> None:
    turn = [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270][quarters - 1]
    images = noise(3, 9, 9)
    expected = [np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).transpose(turn)) for image in images]
    turned = apply(f"turn{90 * quarters}", None, images)
    np.testing.assert_array_equal(turned.permute(0, 2, 3, 1).numpy(), np.stack(expected))


def test_a_quarter_turn_of_images_that_are_not_square_is_refused_and_half_a_turn_is_not() -> None:
    images = noise(2, 9, 7)
    for name in ("turn90", "turn270"):
        with pytest.raises(TransformError, match="keeps the size of square images alone, and these are 7 x 9 pixels"):
            apply(name, None, images)
    assert torch.equal(apply("turn180", None, images), apply("vflip+hflip", None, images))
