from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from pytest_robustness import transformed
from pytest_robustness.core import Condition
from pytest_robustness.core.errors import OptionError, TransformError
from pytest_robustness.transforms import Registry, builtin
from pytest_robustness.transforms.random_draws import uniforms
from tests.identities import identified

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.core import Transform

NAMES = (
    "rotation",
    "brightness",
    "translate",
    "zoom",
    "perspective",
    "equalize",
    "hflip",
    "vflip",
    "equalize_zoom_brightness",
)
SINGLE_LEVEL = {"equalize", "hflip", "vflip"}
ON_REQUEST = ("turn90", "turn180", "turn270", "exif")
KNOWN = ", ".join(sorted([*NAMES, *ON_REQUEST]))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (4, 3, 20, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def apply(transform: Transform, images: torch.Tensor, severity: int | None = None) -> torch.Tensor:
    return transform(images, severity, identified(range(10, 10 + len(images))), 0)


def registered(function: Callable[..., Any], **options: Any) -> Transform:
    holder = Registry()
    holder.transform("fog", **options)(function)
    return holder.get("fog")


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def test_the_nine_are_built_in_with_the_levels_of_the_protocol() -> None:
    described = {item.name: item for item in builtin().describe() if not item.on_request}
    assert tuple(described) == builtin().names() == NAMES
    assert {name: item.levels for name, item in described.items() if item.levels} == {
        "rotation": (5, 15, 30, 45, 90),
        "brightness": (1.1, 1.25, 1.5, 1.75, 2.0),
        "translate": (0.05, 0.1, 0.2, 0.3, 0.4),
        "zoom": (1.1, 1.25, 1.5, 2.0, 3.0),
        "perspective": (0.1, 0.3, 0.5, 0.7, 0.9),
    }
    for name, item in described.items():
        assert item.severities == (() if name in SINGLE_LEVEL else (1, 2, 3, 4, 5))
        assert item.summary.endswith(".")


def test_turns_are_known_on_request() -> None:
    known = builtin()
    assert tuple(item.name for item in known.describe() if item.on_request) == ON_REQUEST
    assert known.conditions(ON_REQUEST, [3]) == tuple(map(Condition, ON_REQUEST))


def test_names_and_levels_are_known_without_torch() -> None:
    script = (
        "import sys; from pytest_robustness.transforms import builtin; "
        "builtin().describe(); builtin().get('rotation+vflip').key(3); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_registries_do_not_share_transforms() -> None:
    first = builtin()
    first.transform("invert")(lambda images: 255 - images)
    assert first.names() == (*NAMES, "invert")
    assert builtin().names() == NAMES


def test_conditions_are_each_transform_at_each_severity_it_has() -> None:
    zoom1, zoom5, vflip = Condition("zoom", 1), Condition("zoom", 5), Condition("vflip")
    assert builtin().conditions(["zoom", "vflip", "zoom"], [1, 5]) == (zoom1, zoom5, vflip)
    assert builtin().conditions(["vflip+zoom"], [5]) == (Condition("vflip+zoom", 5),)
    assert builtin().conditions([], [5]) == ()


def test_a_severity_that_a_transform_lacks_is_named() -> None:
    with raises(OptionError, "zoom has no severity 6. It has: 1, 2, 3, 4, 5."):
        builtin().conditions(["vflip", "zoom"], [6])
    with raises(OptionError, f"'zom' is not a transform. Did you mean 'zoom'? Known: {KNOWN}."):
        builtin().conditions(["zom"], [1])


def test_the_decorator_returns_the_function_unchanged() -> None:
    def invert(images: torch.Tensor) -> torch.Tensor:
        return 255 - images

    assert Registry().transform("invert")(invert) is invert


def test_a_function_with_levels_gets_the_level_of_its_severity(images: torch.Tensor) -> None:
    fog = registered(lambda images, level: torch.full_like(images, level), levels=(7, 9))
    assert fog.severities == (1, 2)
    assert [int(apply(fog, images, severity).unique()) for severity in fog.severities] == [7, 9]


def test_levels_reach_the_function_as_they_were_written(images: torch.Tensor) -> None:
    seen = []

    def fog(images: torch.Tensor, level: float) -> torch.Tensor:
        if len(images) == 4:  # not where it is called again to be looked at
            seen.append(level)
        return images

    levels = [np.float64(0.1) + 0.2, np.float32(0.5), np.int64(3), 0.3]
    transform = registered(fog, levels=levels)
    for severity in transform.severities:
        apply(transform, images, severity)
    assert [repr(level) for level in seen] == ["0.30000000000000004", "0.5", "3", "0.3"]


@pytest.mark.parametrize("levels", [None, (1.0, 2.0)])
def test_a_function_with_draws_gets_those_of_its_images(images: torch.Tensor, levels: tuple[float, ...] | None) -> None:
    seen = []

    def fog(images: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(images) == 4:
            seen.append(rest)
        return images

    transform = registered(fog, levels=levels, draws=2)
    for severity in transform.severities or (None,):
        transform(images, severity, identified([5, 0, 9, 2]), 3)
    for *level, draws in seen:
        np.testing.assert_array_equal(draws, uniforms(3, "fog", identified([5, 0, 9, 2]), 2))
        assert len(level) == (levels is not None)


def test_a_function_that_writes_into_its_images_leaves_the_input_alone(images: torch.Tensor) -> None:
    before = images.clone()
    blacked = apply(registered(lambda images: images.zero_()), images)
    assert not blacked.any()
    assert torch.equal(images, before)


def test_a_function_that_returns_its_images_returns_a_copy(images: torch.Tensor) -> None:
    before = images.clone()
    apply(registered(lambda images: images), images).zero_()
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("function", "returned"),
    [
        (lambda images: images.float(), "float32 [4, 3, 20, 24] on cpu"),
        (lambda images: images[..., 1:], "uint8 [4, 3, 20, 23] on cpu"),
        (lambda images: images[:3], "uint8 [3, 3, 20, 24] on cpu"),
        (lambda images: images.to("meta"), "uint8 [4, 3, 20, 24] on meta"),
        (lambda images: images.numpy(), "ndarray"),
        (lambda images: None, "NoneType"),
    ],
)
def test_a_result_that_breaks_the_contract_is_an_error(
    images: torch.Tensor, function: Callable[..., Any], returned: str
) -> None:
    message = (
        f"Transform 'fog' returned {returned} instead of uint8 [4, 3, 20, 24] on cpu. It must keep the shape, dtype "
        f"and device of its images; end with .round().clamp(0, 255).to(torch.uint8) after computing in floating point."
    )
    with raises(TransformError, message):
        apply(registered(function), images)


@pytest.mark.parametrize("severity", [0, 3, None])
@pytest.mark.parametrize("name", ["fog", "fog+fog"])
def test_a_severity_that_does_not_exist_is_an_error(images: torch.Tensor, name: str, severity: int | None) -> None:
    holder = Registry()
    holder.transform("fog", levels=(1, 2))(lambda images, level: images)
    message = f"{name} has no severity {severity}. It has: 1, 2."
    with raises(OptionError, message):
        holder.get(name).key(severity)
    with raises(OptionError, message):
        apply(holder.get(name), images, severity)


@pytest.mark.parametrize("name", ["vflip", "vflip+hflip"])
def test_a_severity_for_a_single_level_is_an_error(images: torch.Tensor, name: str) -> None:
    with raises(OptionError, f"'{name}' has a single level and takes no severity; got 3."):
        apply(builtin().get(name), images, 3)


@pytest.mark.parametrize("name", ["", "fog-2", "a+b", "nébel", "fog\n", "../fog"])
def test_a_name_that_cannot_go_into_test_ids_is_an_error(name: str) -> None:
    message = (
        f"{name!r} cannot name a transform, because names go into test ids and file names. "
        f"Use letters, digits and underscores."
    )
    with raises(TransformError, message):
        Registry().transform(name)(lambda images: images)
    with raises(TransformError, message):
        builtin().chain(name, ("hflip", "vflip"))


def test_control_cannot_be_registered() -> None:
    with raises(TransformError, "'control' is the condition that changes nothing. Choose another name."):
        Registry().transform("control")(lambda images: images)


def test_a_name_can_be_taken_only_once_and_the_error_says_where() -> None:
    registry = builtin()
    registry.transform("fog")(lambda images: images)
    registry.chain("mist", ("fog", "vflip"))
    before = Path(__file__).read_text().splitlines().index('    registry.transform("fog")(lambda images: images)') + 1
    for name, place in {
        "vflip": "",
        "fog": rf" \(\S*test_registry\.py:{before}\)",
        "mist": rf" \(.*\.py:{before + 1}\)",
    }.items():
        taken = rf"A transform named '{name}' is registered already{place}\."
        message = rf"{taken} Choose another name \(.*test_registry\.py:\d+\)\."
        with pytest.raises(TransformError, match=f"^{message}$"):
            registry.transform(name)(lambda images: images)
        with pytest.raises(TransformError, match=f"^{message}$"):
            registry.chain(name, ("hflip",))


@pytest.mark.parametrize("levels", [(), (0.1, float("nan")), (float("inf"),), ("mild", "strong"), (1j,), 0.5, "12"])
def test_levels_must_be_finite_numbers(levels: Any) -> None:
    message = (
        f"The levels of transform 'fog' must be one or more finite numbers, the value at severity 1, 2, and so on; "
        f"got {levels!r}. Leave levels out for a transform with a single level."
    )
    with raises(TransformError, message):
        Registry().transform("fog", levels=levels)


@pytest.mark.parametrize(
    ("function", "options", "call", "problem"),
    [
        (lambda images: images, {"levels": (1,)}, "images, level", "too many positional arguments"),
        (lambda images, level: images, {}, "images", "missing a required argument: 'level'"),
        (
            lambda images, draws: images,
            {"levels": [1], "draws": 2},
            "images, level, draws",
            "too many positional arguments",
        ),
        (lambda: None, {"draws": 1}, "images, draws", "too many positional arguments"),
    ],
)
def test_a_function_that_does_not_take_what_it_gets_is_refused(
    function: Callable[..., Any], options: dict[str, Any], call: str, problem: str
) -> None:
    message = (
        f"Transform 'fog' is called as f({call}), but its function does not take that: {problem}. "
        f"Change its parameters, or the levels and draws that it is registered with."
    )
    with raises(TransformError, message):
        registered(function, **options)


def test_a_function_whose_parameters_cannot_be_told_is_refused() -> None:
    with raises(
        TransformError,
        f"Python cannot read the parameters of {torch.clone!r}. Register a function that calls it as 'fog'.",
    ):
        registered(torch.clone)


def test_a_decorator_without_its_name_is_refused() -> None:
    def fog(images: torch.Tensor) -> torch.Tensor:
        return images

    with raises(TransformError, f"A transform needs a name: write @registry.transform('fog'), not {fog!r}."):
        Registry().transform(fog)  # type: ignore[arg-type]


@pytest.mark.parametrize("draws", [-1, 1.5, 1.0, "1", None])
def test_draws_are_a_whole_number_from_zero(draws: Any) -> None:
    with raises(TransformError, f"draws of transform 'fog' is {draws!r}. Valid: a whole number from 0."):
        Registry().transform("fog", draws=draws)


@pytest.mark.parametrize("severity", [2.0, "2", np.float64(1.0), Fraction(1)])
def test_a_severity_is_an_integer(images: torch.Tensor, severity: Any) -> None:
    message = f"zoom has no severity {severity!r}, which is of type {type(severity).__name__}. It has: 1, 2, 3, 4, 5."
    with raises(OptionError, message):
        builtin().conditions(["zoom"], [severity])
    with raises(OptionError, message):
        apply(builtin().get("zoom"), images, severity)
    with raises(OptionError, message):
        transformed(images, Condition("zoom", severity))


@pytest.mark.parametrize("condition", ["vflip", ("zoom", 3), None])
def test_what_is_no_condition_is_refused(images: torch.Tensor, condition: Any) -> None:
    with pytest.raises(
        OptionError, match=rf"^transformed\(\) got the condition {re.escape(repr(condition))}\. Valid: "
    ):
        transformed(images, condition)


@pytest.mark.parametrize("parts", ["zoom", ()])
def test_the_parts_of_a_chain_are_a_list(parts: Any) -> None:
    with raises(TransformError, f"The parts of chain 'dusk' are {parts!r}. Valid: a list of one transform or more."):
        builtin().chain("dusk", parts)


@pytest.mark.parametrize(("name", "part"), [("blurr", "blurr"), ("vflip+blurr", "blurr"), ("vflip+", ""), ("", "")])
def test_an_unknown_name_is_an_error_that_lists_the_known(name: str, part: str) -> None:
    with raises(OptionError, f"{part!r} is not a transform. Known: {KNOWN}."):
        builtin().get(name)


def test_a_named_chain_of_unknown_parts_is_an_error() -> None:
    with raises(OptionError, f"'blurr' is not a transform. Known: {KNOWN}."):
        builtin().chain("dusk", ("equalize", "blurr"))


def test_a_chain_applies_its_parts_in_order(images: torch.Tensor) -> None:
    known = builtin()
    equalize, brightness = known.get("equalize"), known.get("brightness")
    chained = apply(known.get("equalize+brightness"), images // 2, 5)
    assert torch.equal(chained, apply(brightness, apply(equalize, images // 2), 5))
    assert not torch.equal(chained, apply(known.get("brightness+equalize"), images // 2, 5))


def test_a_chain_has_the_severities_that_its_levelled_parts_share() -> None:
    known = builtin()
    known.transform("fog", levels=(0.1, 0.2, 0.3))(lambda images, level: images)
    assert known.get("vflip+fog+rotation").severities == (1, 2, 3)
    assert known.get("vflip+rotation").severities == (1, 2, 3, 4, 5)
    assert known.get("vflip+equalize").severities == ()


def test_a_chain_is_named_as_it_was_asked_for() -> None:
    assert builtin().get("equalize+vflip").name == "equalize+vflip"
    assert builtin().get("vflip").name == "vflip"


def test_parts_of_a_chain_draw_by_their_own_name(images: torch.Tensor) -> None:
    known = builtin()
    chained = apply(known.get("rotation+translate"), images, 3)
    assert torch.equal(chained, apply(known.get("translate"), apply(known.get("rotation"), images, 3), 3))


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_equalize_zoom_brightness_is_the_chain_of_the_three(images: torch.Tensor, severity: int) -> None:
    known = builtin()
    named, chain = known.get("equalize_zoom_brightness"), known.get("equalize+zoom+brightness")
    assert torch.equal(apply(named, images, severity), apply(chain, images, severity))
    assert named.key(severity) == chain.key(severity)


def test_a_chain_under_its_own_name_can_be_chained_further(images: torch.Tensor) -> None:
    known = builtin()
    known.chain("over", ("hflip", "vflip"))
    assert known.describe()[len(NAMES)] == ("over", (), (), "The chain hflip+vflip.", False)
    assert torch.equal(apply(known.get("over+over"), images), images)


def test_no_summary_of_a_built_in_transform_names_what_only_code_knows() -> None:
    summaries = [item.summary for item in builtin().describe()]
    assert all(summaries)
    # Words with a capital within them are names of classes.
    assert [word for text in summaries for word in text.split() if re.search(r"[a-z][A-Z]", word)] == []


def test_the_summary_is_the_first_line_of_the_docstring() -> None:
    def fog(images: torch.Tensor) -> torch.Tensor:
        """Grey mist.

        More of it.
        """
        return images

    known = Registry()
    known.transform("fog")(fog)
    known.transform("plain")(lambda images: images)
    assert [item.summary for item in known.describe()] == ["Grey mist.", ""]
