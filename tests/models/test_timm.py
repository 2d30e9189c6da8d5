"""timm's models: weights from a file, preprocessing and classes as timm has them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pytest_robustness.core import Preprocess
from pytest_robustness.core.errors import ModelError, OptionError, WeightsError
from pytest_robustness.inference.loading.class_matching import imagenet_classes
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.pretrained_cfg import preprocess

if TYPE_CHECKING:
    from pathlib import Path

timm = pytest.importorskip("timm", reason="the extra timm is not installed")

NAME = "test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    """A small net of timm with weights by chance, in place of those that it publishes."""
    torch.manual_seed(0)
    return timm.create_model(NAME, pretrained=False).eval()


@pytest.fixture
def weights(net: torch.nn.Module, tmp_path: Path) -> Path:
    save_file(net.state_dict(), tmp_path / f"{NAME}.safetensors")
    return tmp_path


@torch.no_grad()
@pytest.mark.parametrize("name", [NAME, "test_resnet"])
def test_a_model_gets_the_weights_of_its_file(net: torch.nn.Module, weights: Path, name: str) -> None:
    model = ModelZoo(weights).load(f"timm:{name}")
    images = torch.rand(2, 3, 160, 160)
    assert torch.equal(model.module(images), net(images))
    assert model.runtime == ""


@torch.no_grad()
@pytest.mark.parametrize("place", [f"{NAME}.safetensors", f"{NAME}.pth", f"{NAME}/model.safetensors"])
def test_the_weights_are_found_under_three_names(net: torch.nn.Module, tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    torch.save(net.state_dict(), path) if path.suffix == ".pth" else save_file(net.state_dict(), path)
    model = ModelZoo(tmp_path).load(f"timm:{NAME}")
    assert torch.equal(model.module.fc.weight, net.fc.weight)


def test_images_are_preprocessed_as_timm_evaluates(net: torch.nn.Module, weights: Path) -> None:
    config = timm.data.resolve_model_data_config(net)
    pipeline = timm.data.create_transform(**config)
    resize, crop = pipeline.transforms[:2]
    assert ModelZoo(weights).load(f"timm:{NAME}").preprocess == Preprocess(
        resize=resize.size if isinstance(resize.size, int) else resize.size[0],
        crop=crop.size[0],
        mean=pipeline.transforms[-1].mean.tolist(),
        std=pipeline.transforms[-1].std.tolist(),
        interpolation=resize.interpolation.value,
        antialias=True,
    )


@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize(("height", "width"), [(100, 160), (240, 120), (80, 80)])
def test_pixels_are_those_of_timm(
    net: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, mode: str, height: int, width: int
) -> None:
    monkeypatch.setattr(net, "pretrained_cfg", net.pretrained_cfg | {"crop_mode": mode, "crop_pct": 0.8})
    found = preprocess(NAME, net)
    assert found.squash == (mode == "squash")
    draw = torch.Generator().manual_seed(height)
    image = (torch.rand(3, height, width, generator=draw) * 255).to(torch.uint8)
    config = timm.data.resolve_model_data_config(net)
    expected = timm.data.create_transform(**config)(Image.fromarray(image.permute(1, 2, 0).numpy()))
    away = (to_inputs(to_canvas(image, found.canvas)[None], found)[0] - expected) * torch.tensor(found.std).view(
        3, 1, 1
    )
    # Pillow's resize rounds some pixels otherwise than torchvision's, by one of 255.
    assert away.abs().max() * 255 < 1.01


def test_nearest_pixels_are_those_that_pillow_takes(net: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "pretrained_cfg", net.pretrained_cfg | {"interpolation": "nearest", "crop_pct": 0.8})
    found = preprocess(NAME, net)
    side = 2 * found.resize
    image = (torch.rand(3, side, side, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    config = timm.data.resolve_model_data_config(net)
    expected = timm.data.create_transform(**config)(Image.fromarray(image.permute(1, 2, 0).numpy()))
    torch.testing.assert_close(to_inputs(to_canvas(image, found.canvas)[None], found)[0], expected)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"crop_mode": "border"}, "on whole images with a border around them (crop_mode border), which a Preprocess"),
        ({"interpolation": "lanczos"}, "on images resized by lanczos; known are nearest, bilinear, bicubic. "),
        ({"interpolation": "hamming"}, "on images resized by hamming; known are nearest, bilinear, bicubic. "),
    ],
)
def test_an_evaluation_that_no_preprocess_can_say_is_refused(
    net: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], message: str
) -> None:
    monkeypatch.setattr(net, "pretrained_cfg", net.pretrained_cfg | config)
    with pytest.raises(ModelError, match=re.escape(f"timm evaluates {NAME} {message}")):
        preprocess(NAME, net)


def test_an_interpolation_that_is_given_takes_the_place_of_timms(
    net: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net, "pretrained_cfg", net.pretrained_cfg | {"interpolation": "lanczos"})
    assert preprocess(NAME, net, {"interpolation": "bicubic"}).interpolation == "bicubic"


def test_a_thousand_outputs_are_imagenets_classes(weights: Path) -> None:
    assert ModelZoo(weights).load(f"timm:{NAME}").classes == tuple(imagenet_classes())


@pytest.mark.parametrize(
    ("size", "crop_pct", "message"),
    [
        ((3, 448, 448), 1.15, "448 x 448 pixels cut from a shorter side of 389"),
        ((3, 1024, 768), 1.0, "1024 x 768 pixels cut from a shorter side of 1024"),
    ],
)
def test_an_evaluation_that_no_canvas_can_give_is_refused(
    weights: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int, int], crop_pct: float, message: str
) -> None:
    config = {"input_size": size, "crop_pct": crop_pct, "interpolation": "bicubic"}
    monkeypatch.setattr(timm.data, "resolve_model_data_config", lambda *_, **__: config)
    with pytest.raises(ModelError) as raised:
        ModelZoo(weights).load(f"timm:{NAME}")
    assert str(raised.value) == (
        f"timm evaluates {NAME} on {message}; it must be a square that lies within the image. To judge it otherwise, "
        "return Model(module, Preprocess(resize=..., crop=..., mean=..., std=...)) from a factory of yours."
    )


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        ModelZoo(tmp_path).load(f"timm:{NAME}")
    assert str(raised.value) == (
        f"{tmp_path} holds none of {NAME}.safetensors, {NAME}.pth, {NAME}/model.safetensors. Download the weights file "
        f"(on the Hugging Face hub: timm/{NAME}, model.safetensors) and put it there under one of these names."
    )


def test_without_network_the_file_and_the_option_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as raised:
        ModelZoo().load("timm:test_resnet")
    text = str(raised.value)
    assert text.startswith(f"The weights of timm's {NAME} could not be downloaded from the Hugging Face hub (")
    assert text.endswith(
        f"). Put its model.safetensors into a directory DIR as {NAME}.safetensors and pass "
        "--robustness-weights-dir=DIR."
    )


def test_a_name_that_timm_does_not_know_is_refused_with_close_ones() -> None:
    with pytest.raises(ModelError) as raised:
        ModelZoo().load("timm:test_resnet.r160_in2k")
    text = str(raised.value)
    assert text.startswith("'test_resnet.r160_in2k' is not a timm model with published weights. Close to it: ")
    assert text.endswith(". timm.list_models(pretrained=True) lists all.")
    assert NAME in text


def test_a_model_without_classes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: made)
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"timm:{NAME}")
    assert str(raised.value) == f"timm's {NAME} gives features, not classes. Name a classifier."


def test_a_tag_after_an_at_sign_is_refused_with_the_right_form() -> None:
    with pytest.raises(OptionError) as raised:
        ModelZoo().expand(["timm:resnet50@a1_in1k"])
    assert str(raised.value) == (
        "timm names weights after a dot: write 'timm:resnet50.a1_in1k' for 'resnet50@a1_in1k'."
    )


def test_timm_itself_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(OptionError) as raised:
        ModelZoo().expand(["timm:resnet50"])
    assert str(raised.value) == ("'timm:resnet50' needs timm, which is not installed: pip install timm")


def test_checking_a_name_does_not_import_timm() -> None:
    code = (
        "import sys; from pytest_robustness.models import ModelZoo; ModelZoo().expand(['timm:resnet50.a1_in1k']); "
        "print([name for name in ('timm', 'torch') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
