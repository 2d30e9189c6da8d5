"""Which mistakes are tried of a set-up, and what is written for them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from pytest_robustness.core import ClassLabel, Model, Preprocess
from pytest_robustness.inference.doctor.mistakes import GivenSetUp, Mistake, usual_mistakes
from pytest_robustness.inference.doctor.prescription import prescription
from pytest_robustness.inference.preprocess import to_inputs

if TYPE_CHECKING:
    from pathlib import Path

IMAGENET = Preprocess(resize=256, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CLASSES = tuple(ClassLabel(name, name) for name in ("10", "2", "9"))


def tried(preprocess: Preprocess, classes: Any = None, side: int = 300, **more: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the changes that are tried, by setting."""
    found: dict[str, list[dict[str, Any]]] = {}
    for mistake in usual_mistakes(GivenSetUp(preprocess, classes, 0, CLASSES, side, **more)):
        found.setdefault(mistake.setting, []).append(dict(mistake.changes))
    return found


def test_of_a_photograph_network_every_usual_mistake_is_tried() -> None:
    found = tried(IMAGENET)
    assert found["channel order"] == [{"channels": "BGR"}]
    assert found["layout"] == [{"layout": "NHWC"}]
    assert found["squash"] == [{"squash": True, "resize": 224, "crop": 224}]
    assert {"resize": 256, "crop": 227} in found["crop"]
    assert {"resize": 224, "crop": 224} in found["resize"]
    assert {"resize": None, "crop": None, "squash": False} in found["resize and crop"]
    assert found["interpolation"] == [{"interpolation": "bicubic"}]
    assert found["antialias"] == [{"antialias": False}]
    assert found["output offset"] == [{"output_offset": 1}]
    normalizations = [change for name in ("mean", "std", "mean and std") for change in found[name]]
    assert {"mean": (0.0,) * 3, "std": (1.0,) * 3} in normalizations
    assert {"mean": (0.5,) * 3, "std": (0.5,) * 3} in normalizations
    assert {"mean": (0.0,) * 3, "std": (1 / 255,) * 3} in normalizations
    assert {"mean": IMAGENET.mean, "std": (1 / 255,) * 3} in normalizations


@pytest.mark.parametrize("side", [32, 300])
@pytest.mark.parametrize("settings", [{}, {"channels": "BGR", "squash": True, "antialias": False}])
@pytest.mark.parametrize("start", [IMAGENET, Preprocess(32, 32), Preprocess(64), Preprocess(299, 299)])
def test_what_is_tried_changes_something_once_and_is_valid(
    start: Preprocess, settings: dict[str, Any], side: int
) -> None:
    preprocess = dataclasses.replace(start, **settings)
    mistakes = usual_mistakes(GivenSetUp(preprocess, None, 0, CLASSES, side))
    changed = [
        dataclasses.replace(preprocess, **{k: v for k, v in m.changes.items() if hasattr(preprocess, k)})
        for m in mistakes
        if "classes" not in m.changes and "output_offset" not in m.changes
    ]
    assert preprocess not in changed
    assert len(set(changed)) == len(changed)


def test_the_normalization_of_another_wording_is_not_tried_again() -> None:
    # (x - 127) / 128 of pixels is what 0.5 and 0.5 do.
    found = tried(dataclasses.replace(IMAGENET, mean=(127 / 255,) * 3, std=(128 / 255,) * 3))
    assert all(set(change) != {"mean", "std"} or change["mean"] != (0.5,) * 3 for change in found["mean and std"])


@pytest.mark.parametrize("start", [IMAGENET, Preprocess(mean=(0, 0, 0), std=(1, 1, 1))])
def test_black_for_white_gives_a_network_the_complement_of_each_image(start: Preprocess) -> None:
    """Compare with inverting the image before it is normalized; where that is what is set up, white is tried again."""
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16).contiguous()
    [change] = tried(start)["polarity"]
    inverted = dataclasses.replace(start, **change)
    bare = dataclasses.replace(inverted, resize=None, crop=None)
    expected = to_inputs(255 - images, dataclasses.replace(start, resize=None, crop=None))
    assert torch.allclose(to_inputs(images, bare), expected, atol=1e-5)
    [back] = tried(inverted)["polarity"]
    assert back["mean"] == pytest.approx(tuple(start.mean))
    assert back["std"] == tuple(start.std)
    # The other normalizations stay those of the inverted image.
    pairs = [pair for name in ("mean", "std", "mean and std") for pair in tried(inverted).get(name, [])]
    assert pairs
    assert all(max(pair["std"]) < 0 for pair in pairs)


def test_integers_are_not_tried_with_black_for_white() -> None:
    assert "polarity" not in tried(IMAGENET, engine=True, integers=True)


def test_a_normalization_in_pixels_is_tried_in_units_of_one() -> None:
    found = tried(dataclasses.replace(IMAGENET, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)))
    means = [change["mean"] for change in found["mean and std"]]
    assert any(mean == pytest.approx((0.485, 0.456, 0.406)) for mean in means)


def test_of_images_as_small_as_a_network_no_photographs_size_is_tried() -> None:
    found = tried(Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3), side=32)
    sizes = found.get("resize and crop", [])
    assert all((change["resize"] or 0) < 128 for change in sizes)
    assert "interpolation" not in found
    assert "antialias" not in found


def test_orders_of_classes() -> None:
    keys = ["10", "2", "9"]
    unlisted = [change["classes"] for change in tried(IMAGENET)["class order"]]
    assert ["2", "9", "10"] in unlisted
    assert [*keys, "(none)"] in unlisted
    listed = [change["classes"] for change in tried(IMAGENET, ("owl", "ant", "cat"))["class order"]]
    assert ["ant", "cat", "owl"] in listed
    assert ["cat", "owl", "ant"] in listed
    assert keys in listed


def test_a_file_that_takes_pixels_is_tried_with_them_too() -> None:
    given = dataclasses.replace(IMAGENET)
    found = tried(given, engine=True, integers=True)
    assert {"mean": None, "std": None} in found["mean and std"]
    assert "layout" not in found


def test_a_factory_gets_the_arguments_of_its_model() -> None:
    model = Model(nn.Identity(), IMAGENET, ["owl", "ant"])
    both = Mistake("a", "a", {"channels": "BGR"}).joined(Mistake("b", "b", {"classes": ["ant", "owl"]}))
    said = prescription("python:nets.py:make", model, both.changes)
    assert said.place == "Let its factory return Model(module, ...) with"
    mended = dataclasses.replace(model, **eval(f"dict({said.line})", {"Preprocess": Preprocess}))
    assert mended.preprocess == dataclasses.replace(IMAGENET, channels="BGR")
    assert mended.classes == ("ant", "owl")
    assert prescription("resnet18", model, {"output_offset": 1}).text == (
        "Return Model(module, ...) from a factory (python:FILE:FUNCTION), with: output_offset=1"
    )


def test_a_file_gets_its_whole_sidecar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from pytest_robustness.models import ModelZoo
    from tests.models.test_assumed import graph

    monkeypatch.chdir(tmp_path)
    graph(tmp_path / "net.onnx", 32)
    (tmp_path / "net.onnx.json").write_text('{"resize": null, "mean": [0.5, 0.5, 0.5], "probabilities": false}')
    model = ModelZoo().load("onnx:net.onnx")
    said = prescription("onnx:net.onnx", model, {"mean": None, "channels": "BGR", "crop": 28})
    assert said.place == "Write into net.onnx.json"
    assert json.loads(said.line) == {"resize": None, "probabilities": False, "channels": "BGR", "crop": 28}
