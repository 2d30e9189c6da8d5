"""Transforms at any magnitude between neutral and their last level: names, keys, pixels, errors."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core import Condition
from pytest_robustness.core.errors import OptionError, TransformError
from pytest_robustness.transforms import Registry, Span, builtin
from tests.identities import identified
from tests.transforms.test_registry import raises

KNOWN = builtin()
LEVELLED = {item.name: item.levels for item in KNOWN.describe() if item.levels}
NEUTRAL = {"rotation": 0, "brightness": 1, "translate": 0, "zoom": 1, "perspective": 0}

WHOLE = "The magnitudes of transform 'fog' are whole numbers"


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (6, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def apply(name: str, images: torch.Tensor, severity: int | None = None, known: Registry = KNOWN) -> torch.Tensor:
    return known.get(name)(images, severity, identified(range(len(images))), 0)


def echo(**options: Any) -> tuple[Registry, list[float]]:
    """Return a registry with a transform ``fog`` that notes the levels it gets with whole batches of four."""
    seen: list[float] = []

    def fog(images: torch.Tensor, level: float) -> torch.Tensor:
        if len(images) == 4:
            seen.append(level)
        return images

    known = Registry()
    known.transform("fog", version=1, **options)(fog)
    return known, seen


def test_spans_go_from_what_changes_nothing_to_the_last_level() -> None:
    assert {name: KNOWN.span(name) for name in LEVELLED} == {
        name: Span(NEUTRAL[name], levels[-1], whole=False) for name, levels in LEVELLED.items()
    }
    assert KNOWN.span("rotation+zoom") == Span(0, 1, whole=False)
    turned = Span(0, 1, whole=False, harmless=False)
    assert KNOWN.span("rotation+vflip+zoom") == KNOWN.span("equalize_zoom_brightness") == turned


@pytest.mark.parametrize(
    "name",
    [
        *("rotation", "zoom", "fog", "haze", "rotation+brightness", "rotation+haze", "haze+fog", "vflip+rotation"),
        *("rotation+zoom+equalize", "equalize_zoom_brightness", "dusk", "dawn"),
    ],
)
def test_neutral_is_harmless_where_it_changes_no_pixel(images: torch.Tensor, name: str) -> None:
    known = KNOWN.copy()
    known.transform("fog", levels=(1, 2), version=1)(lambda images, level: images // (level + 1))
    known.transform("haze", levels=(1, 2), neutral=0, version=1)(lambda images, level: images // (level + 1))
    known.chain("dusk", ("hflip", "zoom"))
    known.chain("dawn", ("zoom",))
    span = known.span(name)
    same = torch.equal(apply(known.at(name, span.neutral).transform, images, known=known), images)
    assert span.harmless is known.span(name, 1).harmless is same


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_changes_no_pixel(images: torch.Tensor, name: str) -> None:
    assert torch.equal(apply(f"{name}:{NEUTRAL[name]}", images), images)


def test_a_chain_of_neutral_magnitudes_changes_no_pixel(images: torch.Tensor) -> None:
    assert torch.equal(apply("rotation+translate+zoom+perspective+brightness:0", images), images)


@pytest.mark.parametrize(
    ("name", "severity", "level"),
    [(name, severity, level) for name, levels in LEVELLED.items() for severity, level in enumerate(levels, 1)],
)
def test_at_a_level_key_and_pixels_are_those_of_its_severity(
    images: torch.Tensor, name: str, severity: int, level: float
) -> None:
    for text in {str(level), repr(float(level)), f"{level:.3e}"}:
        named = KNOWN.get(f"{name}:{text}")
        assert named.severities == ()
        assert named.key(None) == KNOWN.get(name).key(severity)
    assert torch.equal(apply(f"{name}:{level}", images), apply(name, images, severity))


def test_a_chain_takes_the_same_fraction_of_each_span(images: torch.Tensor) -> None:
    half = apply("rotation+translate:0.5", images)
    assert torch.equal(half, apply("translate:0.2", apply("rotation:45", images)))
    key = "rotation(level=45, draws=1, version=1) + translate(level=0.2, draws=2, version=1)"
    assert KNOWN.get("rotation+translate:0.5").key(None) == key
    assert torch.equal(apply("vflip+rotation:1", images), apply("rotation:90", apply("vflip", images)))
    assert KNOWN.get("equalize_zoom_brightness:1").key(None) == KNOWN.get("equalize_zoom_brightness").key(5)


def test_an_image_is_turned_to_the_same_side_at_every_magnitude() -> None:
    image = torch.zeros(32, 3, 41, 41, dtype=torch.uint8)
    image[:, :, 2, 20] = 255  # above the centre: it moves to the left of it, or to the right
    sides = []
    for degrees in (10, 17.5, 30, 62.25, 89):
        turned = apply(f"rotation:{degrees}", image)[:, 0].double()
        columns = (turned.sum(1) * torch.arange(41)).sum(1) / turned.sum((1, 2))
        sides.append((columns > 20).tolist())
    assert all(side == sides[0] for side in sides)
    assert len(set(sides[0])) == 2


@given(st.floats(0, 90, allow_nan=False))
def test_every_magnitude_is_read_back_as_it_was_written(magnitude: float) -> None:
    condition = KNOWN.at("rotation", magnitude)
    assert condition.severity is None
    name, _, text = condition.transform.partition(":")
    assert (name, float(text)) == ("rotation", magnitude)
    assert KNOWN.get(condition.transform).name == condition.transform
    assert KNOWN.conditions([condition.transform], [3]) == (condition,)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("rotation:17.0", "rotation:17"),
        ("rotation:017.50", "rotation:17.5"),
        ("rotation:1.75e1", "rotation:17.5"),
        ("rotation:+.5", "rotation:0.5"),
        ("rotation:-0", "rotation:0"),
        ("zoom+rotation:.5", "zoom+rotation:0.5"),
    ],
)
def test_a_magnitude_has_one_name_however_it_is_typed(typed: str, name: str) -> None:
    assert KNOWN.conditions([typed], [3]) == (Condition(name),)


@pytest.mark.parametrize("text", ["95", "-1", "nan", "inf", "1e999", "", "x", "1,5", "1_0", "5:6", "٣", "0x10", " 5"])
def test_what_is_no_magnitude_is_an_error_that_says_the_range(text: str) -> None:
    shown = {"1e999": "inf", "95": "95", "-1": "-1"}.get(text, text)
    message = f"{shown!r} is not a magnitude of rotation. Valid: a number from 0 to 90, such as rotation:45."
    with raises(OptionError, message):
        KNOWN.get(f"rotation:{text}")


@pytest.mark.parametrize("text", ["1.01", "17.5", "-0.5", "10+translate:0.1"])
def test_what_is_no_fraction_of_a_chain_is_an_error(text: str) -> None:
    base, _, rest = f"vflip+rotation:{text}".partition(":")
    message = (
        f"{rest!r} is not a magnitude of {base}. Valid: the fraction that each of its transforms goes from neutral (0) "
        f"to its last level (1), such as {base}:0.5."
    )
    with raises(OptionError, message):
        KNOWN.get(f"vflip+rotation:{text}")


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda: KNOWN.get("vflip:3"), "vflip"),
        (lambda: KNOWN.get("vflip+hflip:0.5"), "vflip+hflip"),
        (lambda: KNOWN.get("vflip:x"), "vflip"),
        (lambda: KNOWN.span("equalize"), "equalize"),
        (lambda: KNOWN.at("equalize", 1), "equalize"),
        (lambda: KNOWN.span("rotation:5"), "rotation:5"),
    ],
)
def test_a_single_level_takes_no_magnitude(ask: Any, name: str) -> None:
    with raises(
        OptionError,
        f"{name!r} has a single level and takes no magnitude. Name a transform with levels, such as rotation.",
    ):
        ask()


def test_a_magnitude_of_an_unknown_transform_is_an_error_that_names_it() -> None:
    with pytest.raises(OptionError, match=r"^'rotatoin' is not a transform\. Did you mean 'rotation'\?"):
        KNOWN.get("rotatoin:5")


def test_whole_levels_take_whole_magnitudes_alone() -> None:
    known, seen = echo(levels=(2, 4, 8), neutral=0)
    assert known.span("fog") == Span(0, 8, whole=True)
    for text in ("3", "8.0", "0"):
        apply(f"fog:{text}", torch.zeros(4, 3, 2, 2, dtype=torch.uint8), known=known)
    assert [repr(level) for level in seen] == ["3", "8", "0"]
    message = "'2.5' is not a magnitude of fog. Valid: a whole number from 0 to 8, such as fog:4."
    with raises(OptionError, message):
        known.get("fog:2.5")


def test_the_fractions_of_a_chain_are_rounded_where_levels_are_whole() -> None:
    known, seen = echo(levels=(2, 4, 8), neutral=0)
    apply("fog+fog:0.3", torch.zeros(4, 3, 2, 2, dtype=torch.uint8), known=known)
    assert [repr(level) for level in seen] == ["2", "2"]


@pytest.mark.parametrize(
    ("options", "span"),
    [
        ({"levels": (0.1, 0.5)}, Span(0.1, 0.5, whole=False, harmless=False)),
        ({"levels": (90, 50, 10), "neutral": 100}, Span(100, 10, whole=True)),
        ({"levels": (90, 50, 10), "neutral": 100, "continuous": True}, Span(100, 10, whole=False)),
        ({"levels": (1.0, 2.0), "continuous": False}, Span(1, 2, whole=True, harmless=False)),
        ({"levels": (5,)}, Span(5, 5, whole=True, harmless=False)),
    ],
)
def test_a_transform_of_ones_own_says_what_its_magnitudes_are(options: dict[str, Any], span: Span) -> None:
    known, _ = echo(**options)
    assert known.span("fog") == span
    for magnitude in (span.neutral, span.extreme, *options["levels"]):
        assert known.get(known.at("fog", magnitude).transform).severities == ()


def test_levels_that_go_back_and_forth_are_all_magnitudes() -> None:
    known, seen = echo(levels=(0.3, 0.9, 0.5))
    apply("fog:0.9", torch.zeros(4, 3, 2, 2, dtype=torch.uint8), known=known)
    assert seen == [0.9]
    assert known.get("fog:0.9").key(None) == known.get("fog").key(2)


def test_the_span_up_to_a_severity_passes_no_level_of_it() -> None:
    assert KNOWN.span("rotation", 3) == Span(0, 30, whole=False)
    span = KNOWN.span("rotation+translate", 3)  # 30 of 90 degrees, 0.2 of 0.4
    assert math.isclose(span.extreme, 1 / 3)
    with pytest.raises(OptionError, match=r"rotation has no severity 7\. It has: 1, 2, 3, 4, 5\."):
        KNOWN.span("rotation", 7)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"neutral": 0}, "Transform 'fog' has neutral=0 and no levels. Give its levels, or leave neutral out."),
        (
            {"continuous": True},
            "Transform 'fog' has continuous=True and no levels. Give its levels, or leave continuous out.",
        ),
        ({"levels": (1, 2), "neutral": math.nan}, "neutral of transform 'fog' is nan. Valid: a finite number, "),
        ({"levels": (1, 2), "neutral": "none"}, "neutral of transform 'fog' is 'none'. Valid: a finite number, "),
        ({"levels": (1, 5), "neutral": 3}, "neutral of transform 'fog' is 3, and its levels are (1, 5). Valid: "),
        ({"levels": (1, 2), "neutral": 0.5}, f"{WHOLE}, and neutral=0.5 or one of its levels (1, 2) is not. "),
        (
            {"levels": (0.5, 2), "continuous": False},
            f"{WHOLE}, and neutral=None or one of its levels (0.5, 2) is not. Change these, or say continuous=True.",
        ),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(options: dict[str, Any], what: str) -> None:
    with pytest.raises(TransformError, match=f"^{re.escape(what)}"):
        echo(**options)
