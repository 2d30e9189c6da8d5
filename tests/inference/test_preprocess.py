"""A canvas cropped at its centre is the model's published pipeline, to the pixel."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import Canvas, Preprocess
from pytest_robustness.inference.preprocess import center_crop, to_canvas, to_inputs

SIDES = st.integers(1, 90)
INTERPOLATIONS = st.sampled_from(["nearest", "nearest-exact", "bilinear", "bicubic"])


def noise(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def published(image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
    mode = InterpolationMode(canvas.interpolation)
    resized = tvf.resize(image, [canvas.resize], interpolation=mode, antialias=canvas.antialias)
    return tvf.center_crop(resized, [canvas.crop or canvas.resize])


@st.composite
def canvases(draw: st.DrawFn) -> Canvas:
    resize = draw(st.integers(2, 70))  # to one pixel, torch's own resize of uint8 stops with an internal error
    crop = draw(st.none() | st.integers(1, resize))
    return Canvas(resize, crop, draw(INTERPOLATIONS), draw(st.booleans()))


@settings(deadline=None, max_examples=300)
@given(height=SIDES, width=SIDES, canvas=canvases())
def test_cropping_the_square_again_is_torchvisions_resize_and_center_crop(height, width, canvas):
    image = noise(height, width)
    square = to_canvas(image, canvas)
    assert square.shape == (3, canvas.resize, canvas.resize)
    assert torch.equal(center_crop(square, canvas.crop), published(image, canvas))


@pytest.mark.parametrize("long_side", range(40, 47))
@pytest.mark.parametrize("crop", range(28, 34))
def test_half_pixels_are_rounded_as_torchvision_does(long_side, crop):
    # No resampling happens here, so that an offset which is one pixel off shows.
    canvas = Canvas(40, crop, "bilinear", antialias=True)
    for image in (noise(40, long_side), noise(long_side, 40)):
        assert torch.equal(center_crop(to_canvas(image, canvas), crop), tvf.center_crop(image, [crop]))


@pytest.mark.parametrize(("height", "width"), [(500, 375), (375, 500), (333, 501), (64, 900)])
def test_imagenets_usual_canvas_is_exact(height, width):
    canvas = Canvas(256, 224, "bilinear", antialias=True)
    image = noise(height, width)
    assert torch.equal(center_crop(to_canvas(image, canvas), 224), published(image, canvas))


@settings(deadline=None, max_examples=50)
@given(height=SIDES, width=SIDES, canvas=canvases())
def test_the_order_of_an_image_in_memory_does_not_matter(height, width, canvas):
    image = noise(height, width)
    as_decoders_give_it = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(to_canvas(as_decoders_give_it, canvas), to_canvas(image, canvas))


@pytest.mark.parametrize("crop", [None, 8])
def test_without_a_resize_the_canvas_is_the_image(crop):
    image = noise(13, 17)
    assert torch.equal(to_canvas(image, Canvas(None, crop, "bilinear", antialias=True)), image)


def test_center_crop_of_a_batch_is_a_view():
    images = noise(33, 41).expand(4, -1, -1, -1).contiguous()
    cropped = center_crop(images, 20)
    assert torch.equal(cropped, tvf.center_crop(images, [20]))
    cropped.zero_()
    assert (images == 0).sum() >= 4 * 3 * 20 * 20
    assert center_crop(images, None) is images


def test_an_image_smaller_than_the_crop_is_padded_as_torchvision_does():
    image = noise(5, 9)
    assert torch.equal(center_crop(image[None], 8), tvf.center_crop(image[None], [8]))


def test_a_squashed_image_is_all_of_it():
    image = noise(33, 60)
    canvas = Canvas(24, 20, "bicubic", antialias=True, squash=True)
    whole = tvf.resize(image, [24, 24], interpolation=InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(to_canvas(image, canvas), whole)


RIGHT = Preprocess(crop=20, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_model_gets_its_channels_normalized_in_its_order_and_layout(channels, layout):
    images = torch.stack([noise(24, 24), noise(24, 24) // 2])
    inputs = to_inputs(images, dataclasses.replace(RIGHT, channels=channels, layout=layout))
    expected = tvf.normalize(images[..., 2:22, 2:22].float() / 255, list(RIGHT.mean), list(RIGHT.std)).numpy()
    if channels == "BGR":
        expected = expected[:, ::-1]
    if layout == "NHWC":
        expected = np.moveaxis(expected, 1, -1)
    assert inputs.is_contiguous()
    np.testing.assert_allclose(inputs.numpy(), expected, rtol=1e-5, atol=1e-6)
