"""What a model's set-up shows to be wrong before it is judged is said with what to write."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import ModelError
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.preprocess import to_inputs

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PIXELS = (1 / 255,) * 3
LARGE_MEAN, LARGE_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
ZERO, ONE = (0.0,) * 3, (1.0,) * 3
CANVAS = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def warned(mean, std):
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with torch.no_grad():
        net[1].bias.copy_(torch.tensor([-9.0, 9.0, -9.0, 9.0, 0.0]))  # no probabilities
    return first_answers("net", Model(net, Preprocess(mean=mean, std=std)), CANVAS).warnings


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (MEAN, STD),
        (ZERO, ONE),
        (ZERO, PIXELS),
        (MEAN, PIXELS),
        ((0.5,) * 3, (0.5,) * 3),
        ((-1.0,) * 3, (0.5,) * 3),
        ((1.0,) * 3, ONE),
        ((0.5,) * 3, (2.0,) * 3),
        ((0.3, 0.0, 0.0), (0.1, 5.0, 5.0)),
    ],
)
def test_a_normalization_of_pixels_from_0_to_1_is_left_alone(mean, std):
    assert warned(mean, std) == ()


@pytest.mark.parametrize(
    ("mean", "std", "meant"),
    [
        (LARGE_MEAN, LARGE_STD, (MEAN, STD)),
        (LARGE_MEAN, ONE, (MEAN, PIXELS)),
        (LARGE_MEAN, STD, (MEAN, STD)),
        (ZERO, (255.0,) * 3, (ZERO, ONE)),
        ((127.5,) * 3, (127.5,) * 3, ((0.5,) * 3, (0.5,) * 3)),
    ],
)
def test_one_of_pixels_from_0_to_255_is_warned_of_with_what_to_write(mean, std, meant):
    (text,) = warned(mean, std)
    assert "as of pixels from 0 to 255" in text
    (written,) = re.findall(r"Write (mean=.*)\.$", text)
    found = Preprocess(**eval(f"dict({written})"))
    images = torch.stack([CANVAS, 255 - CANVAS])
    torch.testing.assert_close(to_inputs(images, found), to_inputs(images, Preprocess(None, None, *meant)), **CLOSE)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 12), (12, 8), (9, 9)])
@pytest.mark.parametrize("crop", [None, 7, 8, 9, 12, 13])
def test_a_crop_that_adds_a_black_border_is_warned_of(height, width, crop):
    white = torch.full((3, height, width), 255, dtype=torch.uint8)
    preprocess = Preprocess(None, crop, ZERO, ONE)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    warnings = [text for text in first_answers("net", Model(net, preprocess), white).warnings if "border" in text]
    black = bool((to_inputs(white[None], preprocess) == 0).any())
    assert len(warnings) == black
    if black:
        assert warnings[0].startswith(f"net crops {crop}x{crop} pixels out of images of {width}x{height} (width x ")
        assert f"Set resize to {crop} to enlarge them" in warnings[0]


CLOSE = {"rtol": 2e-3, "atol": 5e-3}


def test_the_warning_says_which_numbers_are_meant():
    assert warned(LARGE_MEAN, LARGE_STD) == (
        (
            "net has the mean 123.675, 116.28, 103.53 and the standard deviation 58.395, 57.12, 57.375, as of pixels "
            "from 0 to 255, but it gets pixels from 0 to 1. Write mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, "
            "0.225)."
        ),
    )


def _timm_assertion(_):
    raise AssertionError("Input height (8) doesn't match model (224).")


class _EnginesOwnError(Exception):
    """What an engine raises that has a class of its own for it."""


def _of_an_engine(_):
    raise _EnginesOwnError("Got invalid dimensions for input: images")


@pytest.mark.parametrize(
    ("answers", "kind", "may_be_the_size"),
    [
        (lambda images: torch.nn.functional.linear(images.flatten(1), torch.ones(5, 7)), "RuntimeError", True),
        (lambda images: int(f"{images.shape[-1]} pixels"), "ValueError", True),
        (lambda images: images[:, :, 100], "IndexError", True),
        (_timm_assertion, "AssertionError", True),
        (_of_an_engine, "_EnginesOwnError", True),
        (lambda images: missing(images), "NameError", False),  # noqa: F821 (that is the mistake)
        (lambda images: images.flaten(1), "AttributeError", False),
        (lambda _: __import__("not_installed"), "ModuleNotFoundError", False),
        (lambda images: {"right": images}["left"], "KeyError", False),
        (lambda _: open("no-such-file"), "FileNotFoundError", False),  # noqa: SIM115, PTH123 (it never opens)
        (lambda images: images.mean(dim="everywhere", oh=1), "TypeError", False),
    ],
)
def test_another_size_is_proposed_only_where_the_error_may_be_one_of_sizes(answers, kind, may_be_the_size):
    class Net(nn.Module):
        def forward(self, images):
            return answers(images)

    with pytest.raises(ModelError, match=rf"failed on a first image.*: {kind}: ") as caught:
        first_answers("net", Model(Net()), CANVAS)
    assert ("If the size is wrong" in str(caught.value)) is may_be_the_size
    assert str(caught.value).endswith(".")
