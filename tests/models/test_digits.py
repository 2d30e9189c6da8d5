"""The embedded zoo: what ships is what its provenance says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from pytest_robustness.core.errors import ModelError
from pytest_robustness.models import ModelZoo, digits
from pytest_robustness.models.digits import train
from pytest_robustness.models.digits.architectures import InvertedResidual, build

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.core import Model

DOCUMENTED = {name: float(value) for name, value in re.findall(r"^(\w+) +(\d+\.\d+)$", digits.__doc__ or "", re.M)}


@pytest.fixture(scope="module")
def zoo() -> ModelZoo:
    return ModelZoo()


@pytest.fixture(scope="module")
def judged() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the digits at odd indices, made one by one from scikit-learn's values with PyTorch's plain operations."""
    bunch = load_digits()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (digits.PREPROCESS.mean, digits.PREPROCESS.std))
    images = []
    for index in range(1, 1797, 2):
        grey = torch.from_numpy(np.floor(bunch.images[index] * 255 / 16 + 0.5)).float().expand(1, 3, 8, 8)
        large = torch.nn.functional.interpolate(grey, (16, 16), mode="bilinear", antialias=True).round()
        images.append((large / 255 - mean) / std)
    return torch.cat(images), torch.from_numpy(bunch.target[1::2])


def _accuracy_by_brute_force(model: Model, images: torch.Tensor, labels: torch.Tensor) -> float:
    correct = 0
    with torch.inference_mode():
        for logits, label in zip(model.module(images).tolist(), labels.tolist(), strict=True):
            correct += max(range(10), key=logits.__getitem__) == label
    return 100 * correct / 898


@pytest.mark.parametrize("name", digits.NAMES)
def test_each_model_is_as_accurate_as_documented(
    zoo: ModelZoo, judged: tuple[torch.Tensor, torch.Tensor], name: str
) -> None:
    model = zoo.load(f"digits:{name}")
    assert model.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert model.module(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
    assert _accuracy_by_brute_force(model, *judged) == pytest.approx(DOCUMENTED[name], abs=0.2)


def test_the_table_has_the_twelve_and_agrees_with_the_files_metadata() -> None:
    with safe_open(digits.WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
        models = {key.partition(".")[0] for key in file.keys()}  # noqa: SIM118 (the file is no mapping)
    assert json.loads(metadata["accuracy"]) == DOCUMENTED
    assert set(DOCUMENTED) == models == set(digits.NAMES)
    for package in ("torch", "torchvision", "scikit-learn"):
        assert f"{package} {metadata[package]}" in (digits.__doc__ or "")
    assert f"seed {metadata['seed']}, {metadata['epochs']} epochs" in (digits.__doc__ or "")


def test_the_weights_stay_small() -> None:
    assert digits.WEIGHTS.stat().st_size < 2e6


def test_the_models_differ(zoo: ModelZoo) -> None:
    assert len({zoo.load(f"digits:{name}").fingerprint for name in digits.NAMES}) == 12


def _count(name: str, kind: type[torch.nn.Module]) -> int:
    return sum(isinstance(part, kind) for part in build(name).modules())


def test_each_architecture_keeps_what_its_name_promises() -> None:
    convolutions = {name: _count(name, torch.nn.Conv2d) for name in digits.NAMES}
    assert convolutions["alexnet"] == 5
    assert _count("alexnet", torch.nn.Dropout) == 2
    assert convolutions["vgg16"] == convolutions["vgg16_bn"] < convolutions["vgg19"] == convolutions["vgg19_bn"]
    assert convolutions["resnet18"] < convolutions["resnet34"]
    assert convolutions["resnet50"] < convolutions["resnet101"]
    assert _count("mobilenet_v2", InvertedResidual) == 5
    for name in digits.NAMES:
        normalized = name.endswith("_bn") or name.startswith(("resnet", "mobilenet"))
        assert bool(_count(name, torch.nn.BatchNorm2d)) == normalized, name
        assert bool(_count(name, torch.nn.Linear)) == (not name.startswith("squeezenet")), name


@pytest.mark.slow
def test_loading_needs_no_scikit_learn() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; from pytest_robustness.models import ModelZoo; "
        "print(ModelZoo().load('digits:alexnet').classes[9])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "9\n"


def test_training_without_scikit_learn_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModelError) as raised:
        train.halves()
    assert str(raised.value) == ("The digits come with scikit-learn, which is not installed: pip install scikit-learn")


def test_the_halves_are_the_even_and_the_odd_digits() -> None:
    training, judged = train.halves()
    labels = torch.from_numpy(load_digits().target)
    assert (len(training.labels), len(judged.labels)) == (899, 898)
    assert torch.equal(torch.stack([training.labels[:898], judged.labels], dim=1).flatten(), labels[:1796])
    images = train.normalized(training.images)
    means = images.mean((0, 2, 3)), images.std((0, 2, 3))
    torch.testing.assert_close(means, (torch.zeros(3), torch.ones(3)), rtol=0, atol=0.01)


def test_training_is_repeatable_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setattr(train, "NAMES", ("alexnet",))
    try:
        for out in ("first", "second"):
            train.main(["--out", str(tmp_path / out), "--epochs", "2", "--seed", "3"])
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(load_file(tmp_path / "first"), load_file(tmp_path / "second"), rtol=0, atol=0)
    with safe_open(tmp_path / "first", framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["accuracy"])["alexnet"] > 25
    assert (metadata["seed"], metadata["epochs"]) == ("3", "2")
