"""The worst of k draws: how it is written, what is drawn, and what its key holds."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from pytest_robustness.core import Condition
from pytest_robustness.core.errors import OptionError
from pytest_robustness.transforms import Registry, builtin
from tests.identities import identified

KNOWN = builtin()


def variants(name: str, known: Registry = KNOWN) -> Any:
    found: Any = known.get(name)
    return found.variants


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("worst(rotation+translate,k=10)", "worst(rotation+translate,k=10)"),
        ("worst(rotation+translate, k=10)", "worst(rotation+translate,k=10)"),
        (" worst ( rotation + translate , k = 007 ) ", "worst(rotation+translate,k=7)"),
        ("worst(rotation)", "worst(rotation,k=10)"),
        ("worst(vflip,k=1)", "worst(vflip,k=1)"),
        ("worst(rotation:17.50,k=1000)", "worst(rotation:17.5,k=1000)"),
    ],
)
def test_a_worst_of_k_has_one_name_however_it_is_typed(typed: str, name: str) -> None:
    found = KNOWN.get(typed)
    assert found.name == name
    assert len(variants(typed)) == int(re.findall("k=([0-9]+)", name)[0])
    assert [condition.transform for condition in KNOWN.conditions([typed, name], [3])] == [name]
    assert KNOWN.get(name).name == name


def test_a_worst_of_k_has_the_severities_of_its_transform() -> None:
    assert KNOWN.conditions(["worst(rotation+vflip,k=3)"], [1, 5]) == (
        Condition("worst(rotation+vflip,k=3)", 1),
        Condition("worst(rotation+vflip,k=3)", 5),
    )
    assert KNOWN.conditions(["worst(rotation:30,k=3)", "worst(vflip)"], [1, 5]) == (
        Condition("worst(rotation:30,k=3)"),
        Condition("worst(vflip,k=10)"),
    )


@pytest.mark.parametrize("k", ["0", "1001", "-1", "", "ten", "1.5", "9" * 5000, "٣"])
def test_k_that_is_no_number_of_draws_is_an_error(k: str) -> None:
    name = f"worst(rotation,k={k})"
    message = (
        f"k of {name!r} is {k!r}. Valid: a whole number from 1 to 1000, the number of draws of which the worst counts."
    )
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        KNOWN.get(name)


@pytest.mark.parametrize(
    "name",
    [
        "worst(",
        "worst()",
        "worst(rotation",
        "worst(rotation,10)",
        "worst(rotation,n=10)",
        "worst(worst(rotation,k=2),k=3)",
        "worst(rotation,k=2)+vflip",
        "worst(rotation,vflip)",
        "worst(rotation,k=2):0.5",
    ],
)
def test_a_worst_of_k_that_cannot_be_read_says_how_to_write_it(name: str) -> None:
    message = (
        f"{name!r} cannot be read. Write worst(TRANSFORM,k=N), where TRANSFORM is a transform or a chain: "
        f"worst(rotation+translate,k=10)."
    )
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        KNOWN.get(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("worst(rotatoin)", "'rotatoin' is not a transform. Did you mean 'rotation'?"),
        ("worst(rotation:95)", "'95' is not a magnitude of rotation."),
        ("vflip+worst(rotation)", "'worst(rotation)' is not a transform."),
    ],
)
def test_what_is_wrong_inside_is_named(name: str, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        KNOWN.get(name)


def test_a_worst_of_k_has_no_magnitudes() -> None:
    with pytest.raises(OptionError, match=r"takes no magnitude\. Give one to the transform inside of it"):
        KNOWN.span("worst(rotation)")


def levels(name: str, severity: int | None, known: Registry = KNOWN, seed: int = 0) -> np.ndarray:
    return np.array([draw.levels(severity, seed) for draw in variants(name, known)], np.float64)


def test_magnitudes_are_uniform_between_neutral_and_the_level_of_the_severity_and_independent() -> None:
    drawn = levels("worst(rotation+zoom+rotation,k=1000)", 3)
    for column, (low, high) in enumerate([(0, 30), (1, 1.5), (0, 30)]):
        assert stats.kstest(drawn[:, column], stats.uniform(low, high - low).cdf).pvalue > 0.01
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert abs(stats.spearmanr(drawn[:, first], drawn[:, second]).statistic) < 0.1


def test_a_draw_does_not_depend_on_how_many_there_are_and_does_on_the_seed() -> None:
    many = levels("worst(rotation+translate,k=20)", 5)
    np.testing.assert_array_equal(levels("worst(rotation+translate,k=7)", 5), many[:7])
    assert not np.isclose(levels("worst(rotation+translate,k=20)", 5, seed=1), many).any()


def test_a_stronger_severity_stretches_the_same_draws() -> None:
    np.testing.assert_allclose(levels("worst(rotation,k=9)", 5), 3 * levels("worst(rotation,k=9)", 3))
    np.testing.assert_allclose(levels("worst(rotation:45,k=9)", None), levels("worst(rotation,k=9)", 4))


def test_signs_are_drawn_by_image_and_by_draw() -> None:
    image = torch.zeros(400, 3, 41, 41, dtype=torch.uint8)
    image[:, :, 2, 20] = 255  # above the centre: it moves to the left of it, or to the right
    sides = []
    for draw in variants("worst(rotation,k=6)"):
        if draw.levels(5, 0)[0] < 10:
            continue
        turned = draw(image, 5, identified(range(400)), 0)[:, 0].double()
        sides.append((((turned.sum(1) * torch.arange(41)).sum(1) / turned.sum((1, 2))) > 20).numpy())
    assert len(sides) >= 3
    for number, side in enumerate(sides):
        assert 0.4 < side.mean() < 0.6
        assert all(0.4 < (side == other).mean() < 0.6 for other in sides[:number])


def test_what_has_no_levels_is_applied_as_it_is() -> None:
    images = torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for draw in variants("worst(vflip+equalize,k=3)"):
        expected = KNOWN.get("vflip+equalize")(images, None, identified(range(3)), 0)
        assert torch.equal(draw(images, None, identified(range(3)), 0), expected)


def test_a_transform_without_neutral_is_drawn_from_its_mildest_level() -> None:
    known = Registry()
    known.transform("fog", levels=(0.2, 0.4, 0.8), version=1)(lambda images, level: images)
    known.transform("steps", levels=(2, 4, 9), version=1)(lambda images, level: images)
    drawn = levels("worst(fog+steps,k=1000)", 3, known)
    assert 0.2 <= drawn[:, 0].min() < 0.21
    assert 0.79 < drawn[:, 0].max() <= 0.8
    assert set(drawn[:, 1]) == {2, 3, 4, 5, 6, 7, 8, 9}
    assert (levels("worst(fog,k=9)", 1, known) == 0.2).all()


def test_the_key_holds_k_severity_and_what_is_drawn_between() -> None:
    names = ("worst(rotation,k=9)", "worst(rotation,k=10)", "worst(zoom,k=10)", "worst(rotation+zoom,k=10)")
    keys = [KNOWN.get(name).key(severity) for name in names for severity in (1, 3)]
    keys += [draw.key(3) for draw in variants("worst(rotation,k=9)")] + [KNOWN.get("rotation").key(3)]
    for neutral in (None, 0.0, 0.1):
        known = Registry()
        known.transform("fog", levels=(0.2, 0.4), version=1, neutral=neutral)(lambda images, level: images)
        keys.append(known.get("worst(fog)").key(2))
    assert len(set(keys)) == len(keys)
    assert KNOWN.get("worst(equalize_zoom_brightness)").key(3) == KNOWN.get("worst(equalize+zoom+brightness)").key(3)
    assert KNOWN.get("worst(rotation:30)").key(None) == KNOWN.get("worst(rotation)").key(3)
