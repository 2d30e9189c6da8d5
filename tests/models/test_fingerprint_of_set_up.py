"""Which settings a fingerprint and a key cover, and that models without the later ones keep theirs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.inference.jobs import cell_key
from pytest_robustness.models.fingerprint import fingerprint

GIVEN = Preprocess(256, 224, (0.4, 0.5, 0.6), (0.1, 0.2, 1.0), "bicubic", False)


def linear() -> nn.Linear:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.fill_(0.5)
        module.bias.fill_(0.25)
    return module


@pytest.mark.parametrize(
    ("preprocess", "key"),
    [
        (Preprocess(), "2c179700420713980364543a961ed6630b99773301a0abf54459d6ec3beeae0b"),
        (GIVEN, "89c109c63b5b323ade83f14002dae0dbfe65b2541acbc48ecc4083c5bd24a90a"),
    ],
)
def test_keys_from_before_the_later_settings_hold(preprocess: Preprocess, key: str) -> None:
    # As computed before there were squash, channels and layout.
    assert cell_key("f00d", preprocess, "control", 0, "fp32") == key


@pytest.mark.parametrize(
    "change",
    [{"squash": True}, {"channels": "BGR"}, {"layout": "NHWC"}, {"resize": 257}, {"antialias": True}],
    ids=str,
)
def test_every_setting_counts(change: dict[str, Any]) -> None:
    changed = dataclasses.replace(GIVEN, **change)
    assert cell_key("f00d", changed, "control", 0, "fp32") != cell_key("f00d", GIVEN, "control", 0, "fp32")
    assert fingerprint(Model(linear(), changed)) != fingerprint(Model(linear(), GIVEN))


def test_a_dropped_output_counts() -> None:
    assert fingerprint(Model(linear(), output_offset=1)) != fingerprint(Model(linear()))
    assert fingerprint(Model(linear(), output_offset=0)) == fingerprint(Model(linear()))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"channels": "rgb"}, "'rgb' is not an order of channels. Known: RGB, BGR."),
        ({"layout": "HWC"}, "'HWC' is not a layout. Known: NCHW, NHWC."),
        (
            {"interpolation": "cubic"},
            "'cubic' is not an interpolation. Known: bicubic, bilinear, nearest, nearest-exact.",
        ),
        ({"squash": True}, "squash needs a resize: the side of the square that images are squashed to"),
    ],
    ids=str,
)
def test_a_setting_that_is_not_valid_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (compared word for word)
        Preprocess(**arguments)
    assert str(raised.value) == text


@pytest.mark.parametrize("offset", [-1, 0.5, None])
def test_an_offset_that_is_no_number_of_outputs_is_refused(offset: Any) -> None:
    with pytest.raises(ValueError, match="output_offset must be a number of outputs, 0 or more; got "):
        Model(linear(), output_offset=offset)
