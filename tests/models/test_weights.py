"""Reading weights files, and where torchvision's come from."""

from __future__ import annotations

import argparse
import hashlib
import urllib.error
from typing import TYPE_CHECKING

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models import SqueezeNet1_1_Weights, get_model, get_model_weights

from pytest_robustness.core import Preprocess
from pytest_robustness.core.errors import ModelError, WeightsError
from pytest_robustness.models import ModelZoo, read_state_dict
from pytest_robustness.models.sources import torchvision as torchvision_source
from pytest_robustness.models.weights import WeightsPolicy

if TYPE_CHECKING:
    from pathlib import Path

NAME = "squeezenet1_1-b8a52dc0.pth"
URL = f"https://download.pytorch.org/models/{NAME}"
STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2)}


def _assert_is_state(state: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(dict(state), STATE, rtol=0, atol=0)


# reading


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "net.safetensors")
    _assert_is_state(read_state_dict(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {"lr": 0.1}},
        {"state_dict": {f"module.{name}": tensor for name, tensor in STATE.items()}},
    ],
    ids=["bare", "state_dict", "model", "parallel"],
)
def test_checkpoints_are_unwrapped(tmp_path: Path, content: object, zipped: bool) -> None:
    torch.save(content, tmp_path / "net.th", _use_new_zipfile_serialization=zipped)
    _assert_is_state(read_state_dict(tmp_path / "net.th"))


def test_a_prefix_that_only_some_names_have_is_part_of_the_names(tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(1), "head.weight": torch.ones(1)}
    torch.save(state, tmp_path / "net.pt")
    assert list(read_state_dict(tmp_path / "net.pt")) == ["module.weight", "head.weight"]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_full_pickle_is_refused_until_it_is_trusted(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "net.pth"
    torch.save({"state_dict": STATE, "args": argparse.Namespace(lr=1)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError) as raised:
        read_state_dict(path)
    assert str(raised.value) == (
        f"{path} holds more than weights: reading it would run the code of argparse.Namespace. "
        "Pass --robustness-trust-pickle only if you trust the file's origin, or save it again as .safetensors."
    )
    _assert_is_state(read_state_dict(path, trust_pickle=True))


def test_a_pickle_that_would_run_code_is_refused_without_running_it(tmp_path: Path) -> None:
    target = tmp_path / "made_by_the_pickle"

    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return type(target).touch, (target,)  # type: ignore[return-value]

    torch.save({"weight": Attack()}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="holds more than weights"):
        read_state_dict(tmp_path / "net.pth")
    assert not target.exists()


def test_a_whole_module_is_read_once_trusted(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    torch.save(module, tmp_path / "net.pth")
    state = read_state_dict(tmp_path / "net.pth", trust_pickle=True)
    torch.testing.assert_close(dict(state), dict(module.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"hello world"], ids=["empty", "html", "text"])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as raised:
        read_state_dict(path)
    assert str(raised.value).startswith(f"{path} is not a readable weights file (")
    assert str(raised.value).endswith("). Replace it with an undamaged copy.")


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="is not a readable weights file"):
        read_state_dict(path)


def test_a_file_without_weights_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save([1, 2], path)
    with pytest.raises(WeightsError) as raised:
        read_state_dict(path)
    assert str(raised.value) == f"{path} holds a list, not a state dict. Save model.state_dict() instead."


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        read_state_dict(tmp_path / "net.pth")
    assert str(raised.value) == f"There is no weights file {tmp_path / 'net.pth'}."


# torchvision's weights from a directory


def _published(monkeypatch: pytest.MonkeyPatch, directory: Path, name: str) -> nn.Module:
    """Put a random ``name`` into ``directory`` as torchvision publishes it, its hash in its name."""
    module: nn.Module = get_model(name, weights=None)
    path = directory / "unnamed"
    torch.save(module.state_dict(), path)
    file_name = f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    path.rename(directory / file_name)
    weights = get_model_weights(name)["IMAGENET1K_V1"]
    monkeypatch.setattr(weights.value, "url", f"https://example.org/models/{file_name}")
    return module


# The plain one, and one that asks for the version which torch hangs on a state dict.
@pytest.mark.parametrize("name", ["squeezenet1_1", "mnasnet0_5"])
def test_an_original_file_of_the_directory_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module = _published(monkeypatch, tmp_path, name).eval()
    model = ModelZoo(weights_dir=tmp_path).load(name)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model.module(images), module(images), rtol=0, atol=0)
    assert not model.module.training


def test_safetensors_of_the_same_stem_serve_as_well(tmp_path: Path) -> None:
    module = get_model("squeezenet1_1", weights=None)
    save_file(module.state_dict(), tmp_path / "squeezenet1_1-b8a52dc0.safetensors")
    model = ModelZoo(weights_dir=tmp_path).load("squeezenet1_1")
    torch.testing.assert_close(dict(model.module.state_dict()), dict(module.state_dict()), rtol=0, atol=0)
    assert model.preprocess == Preprocess(
        resize=256, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear"
    )
    assert model.classes is not None
    assert (len(model.classes), model.classes[0], model.classes[999]) == (1000, "tench", "toilet tissue")


def test_parameters_that_weights_will_replace_are_not_drawn_first(tmp_path: Path) -> None:
    save_file(get_model("squeezenet1_1", weights=None).state_dict(), tmp_path / "squeezenet1_1-b8a52dc0.safetensors")
    before = torch.get_rng_state()
    ModelZoo(weights_dir=tmp_path).load("squeezenet1_1")
    assert torch.equal(torch.get_rng_state(), before)


def test_details_that_torchvision_derives_from_the_weights_are_kept(tmp_path: Path) -> None:
    module = get_model("googlenet", weights=None, aux_logits=True, transform_input=True, init_weights=False)
    save_file(module.state_dict(), tmp_path / "googlenet-1378be20.safetensors")
    loaded = ModelZoo(weights_dir=tmp_path).load("googlenet").module
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), module.eval()(images), rtol=0, atol=0)


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    torch.save(get_model("squeezenet1_1", weights=None).state_dict(), path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    with pytest.raises(WeightsError) as raised:
        ModelZoo(weights_dir=tmp_path).load("squeezenet1_1")
    assert str(raised.value) == (
        f"{path} is not the published file: its SHA-256 should start with b8a52dc0, but starts with {found}. "
        f"Download {URL} again."
    )


def test_a_file_that_is_not_in_the_directory_is_named_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        ModelZoo(weights_dir=tmp_path).load("squeezenet1_1")
    assert str(raised.value) == (
        f"{tmp_path} holds neither {NAME} nor squeezenet1_1-b8a52dc0.safetensors. "
        f"Download {URL} and put it into {tmp_path}."
    )


def test_weights_of_another_shape_are_an_error_that_names_the_model(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "squeezenet1_1-b8a52dc0.safetensors")
    with pytest.raises(ModelError, match=r"^The model 'squeezenet1_1' could not be loaded: RuntimeError: Error"):
        ModelZoo(weights_dir=tmp_path).load("squeezenet1_1")


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("resnet50", None, "resnet50-0676ba61"),
        ("resnet50", "DEFAULT", "resnet50-11ad3fa6"),
        ("resnet50", "IMAGENET1K_V2", "resnet50-11ad3fa6"),
        ("vit_h_14", None, "vit_h_14_swag-80465313"),
    ],
)
def test_without_weights_the_articles_are_meant(tmp_path: Path, name: str, weights: str | None, expected: str) -> None:
    with pytest.raises(WeightsError, match=f"holds neither {expected}.pth"):
        torchvision_source.load(name, weights, WeightsPolicy(tmp_path))


def test_every_published_pipeline_can_be_said_as_a_preprocess() -> None:
    for name in torchvision.models.list_models(module=torchvision.models):
        for weights in get_model_weights(name):
            preprocess, published = torchvision_source._preprocess(weights), weights.transforms()
            assert [preprocess.resize] == published.resize_size
            assert [preprocess.crop] == published.crop_size


# torchvision's download cache


def test_a_failed_download_says_which_file_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    with pytest.raises(WeightsError) as raised:
        ModelZoo().load("squeezenet1_1")
    assert str(raised.value) == (
        f"{NAME} could not be downloaded from {URL} (<urlopen error no route to host>). "
        f"Put the file {NAME} into a directory DIR and pass --robustness-weights-dir=DIR."
    )


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where torchvision's download cache has, or would have, the weights of squeezenet1_1."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints / NAME


def test_a_cached_download_is_loaded(cached: Path) -> None:
    module = get_model("squeezenet1_1", weights=None)
    torch.save(module.state_dict(), cached)
    loaded = ModelZoo().load("squeezenet1_1@IMAGENET1K_V1").module
    torch.testing.assert_close(dict(loaded.state_dict()), dict(module.state_dict()), rtol=0, atol=0)


def test_a_damaged_cached_download_is_named(cached: Path) -> None:
    cached.write_bytes(b"hello world")
    with pytest.raises(WeightsError) as raised:
        ModelZoo().load("squeezenet1_1")
    assert str(raised.value).startswith(f"{NAME} as downloaded from {URL} cannot be read (")
    assert str(raised.value).endswith(f"). Remove {cached} and run again.")


def test_the_download_cache_is_never_trusted_with_a_full_pickle(cached: Path) -> None:
    torch.save({"args": argparse.Namespace()}, cached)
    with pytest.raises(WeightsError, match="cannot be read"):
        ModelZoo(trust_pickle=True).load("squeezenet1_1")


def test_squeezenets_published_name_is_still_what_these_tests_say() -> None:
    assert SqueezeNet1_1_Weights.IMAGENET1K_V1.url == URL
