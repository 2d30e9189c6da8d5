"""Export parity on a real model: ResNet-20 as ONNX gives its own answers, and others where its mean is forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import pytest_robustness
from tests.real.cifar_resnets import CLASSES, PREPROCESS, resnet20

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")

REFERENCE = f"python:{Path(__file__).with_name('cifar_resnets.py')}:resnet20"
IMAGES = 1000
SETTINGS = {"mean": PREPROCESS.mean, "std": PREPROCESS.std, "classes": CLASSES}
EXPORTS = {
    "whole": SETTINGS,
    "meanless": {**SETTINGS, "mean": (0, 0, 0)},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cifar: Path) -> Path:
    """A folder with the same graph twice; the sidecar of one has no mean."""
    path = tmp_path_factory.mktemp("exports")
    images = torch.rand(2, 3, 32, 32)
    shapes = ({0: torch.export.Dim("batch")},)
    for name, settings in EXPORTS.items():
        file = path / f"{name}.onnx"
        net = resnet20().module.eval()
        torch.onnx.export(net, (images,), file, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False)
        (path / f"{name}.onnx.json").write_text(json.dumps(settings))
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, cifar: Path) -> Path:
    """A folder with every tenth image of CIFAR-10's test images."""
    folder = tmp_path_factory.mktemp("images")
    for path in sorted(cifar.glob("*/*0.jpg")):
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).hardlink_to(path)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path, judge: Callable[..., list[int]], images: Path, cifar_store: Path) -> dict[str, dict[str, Any]]:
    """The findings in control, by export; each run has one, and ends as its test does."""
    findings = {}
    common = [f"--robustness-store={cifar_store}", f"--robustness-reference={REFERENCE}", "--robustness-workers=0"]
    runs = [
        [*common, f"--robustness-models=onnx:{name}.onnx", f"--robustness-report={name}", "-k", f"[onnx:{name}"]
        for name in EXPORTS
    ]
    codes = judge(folder, images, *runs)
    for name, code in zip(EXPORTS, codes, strict=True):
        (row,) = json.loads((folder / name / "results.json").read_text(encoding="utf-8"))["studies"]["parity"]
        findings[name] = {**row, "code": code}
    return findings


def test_a_float_export_gives_the_same_answers(found: dict[str, dict[str, Any]]) -> None:
    row = found["whole"]
    assert (row["code"], row["outcome"]) == (pytest.ExitCode.OK, "PASS")
    assert row["images"] == IMAGES
    assert row["otherwise"] <= 1
    assert abs(row["accuracy"] - row["accuracy_reference"]) <= 0.1


def test_an_export_without_its_mean_does_not(found: dict[str, dict[str, Any]], images: Path) -> None:
    row = found["meanless"]
    assert (row["code"], row["outcome"]) == (pytest.ExitCode.TESTS_FAILED, "FAIL")
    own, given = _answers(images, (0, 0, 0)), _answers(images, PREPROCESS.mean)
    assert row["otherwise"] == (own != given).sum()
    labels = np.repeat(np.arange(len(CLASSES)), IMAGES // len(CLASSES))
    assert row["accuracy"] == pytest.approx(100 * np.mean(own == labels))
    assert row["accuracy_reference"] == pytest.approx(100 * np.mean(given == labels))


def test_the_doctor_says_what_the_failing_export_lacks(
    folder: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    found = pytest_robustness.doctor("onnx:meanless.onnx", f"folder:{images}")
    assert found.setting == "mean"
    (folder / "mended.onnx").write_bytes((folder / "meanless.onnx").read_bytes())
    (folder / "mended.onnx.json").write_text(found.line)
    assert json.loads(found.line)["mean"] == pytest.approx(PREPROCESS.mean)
    assert not pytest_robustness.doctor("onnx:mended.onnx", f"folder:{images}").fault


def _answers(folder: Path, mean: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Return the answers of ResNet-20 to the images in a plain loop, normalized by ``mean``."""
    net = resnet20().module.eval()
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*/*.jpg"))])
    center, scale = (torch.tensor(values).view(3, 1, 1) for values in (mean, PREPROCESS.std))
    with torch.inference_mode():
        inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - center) / scale
        return torch.cat([net(part).argmax(1) for part in inputs.split(250)]).numpy()
