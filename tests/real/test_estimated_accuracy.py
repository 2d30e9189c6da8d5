"""Accuracy on images without labels, on real models: the error on held-out transforms, and on blurred images."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageFilter

from tests.real.conftest import BF16, SMALL_IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

MODELS = f"python:{Path(__file__).with_name('cifar_resnets.py')}"
NAMES = ("resnet20", "resnet56")  # where they agree is much of what the estimate is learnt from
# Published for another ResNet-56 on versions of CIFAR-10: by confidence 6.99, by ATC 7.77, by the Frechet distance of
# features 4.99.
LARGEST_RMSE = 5.0


@pytest.fixture(scope="module")
def estimated(
    judge_cifar: Callable[..., list[int]],
    judge: Callable[..., list[int]],
    cifar: Path,
    cifar_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]], dict[str, float]]:
    """The findings by model, their items, and the true accuracy on the blurred images, whose labels they ignore."""
    folder = tmp_path_factory.mktemp("estimated")
    blurred = folder / "blurred"
    # Those that the estimate is not learnt from: the draw below takes 40 of the 1,000 files of each class.
    for path in sorted(cifar.glob("*/08*.jpg")):
        (blurred / path.parent.name).mkdir(parents=True, exist_ok=True)
        image = Image.open(path).convert("RGB").filter(ImageFilter.GaussianBlur(0.7))
        image.save(blurred / path.parent.name / f"{path.stem}.png")
    store = f"--robustness-store={cifar_store}"
    models = [f"--robustness-models={','.join(f'{MODELS}:{name}' for name in NAMES)}", BF16]
    study = ["--robustness-studies=estimated_accuracy", "-k", "estimated_accuracy", "--robustness-limit=40"]
    unlabelled = [f"--robustness-unlabelled=folder:{blurred}", "--robustness-report=estimated"]
    judge_cifar(folder, [*models, store, *study, *unlabelled])
    labelled = [*SMALL_IMAGES, "--robustness-transforms=hflip", "-k", "test_models"]
    judge(folder, blurred, [*models, store, *labelled])
    results = json.loads((folder / "estimated/results.json").read_text(encoding="utf-8"))
    found = {row["models"][0].rpartition(":")[2]: row for row in results["studies"]["estimated_accuracy"]}
    with (folder / "estimated/studies/estimated_accuracy-conditions.csv").open(encoding="utf-8") as file:
        items = list(csv.DictReader(file))
    truth = json.loads((folder / "reports/latest/results.json").read_text(encoding="utf-8"))["models"]
    return found, items, {row["model"].rpartition(":")[2]: row["control_accuracy"] for row in truth}


@pytest.mark.parametrize("name", NAMES)
def test_the_error_on_held_out_transforms_is_within_the_published_one(
    estimated: tuple[dict[str, dict[str, Any]], list[dict[str, str]], dict[str, float]], name: str
) -> None:
    found, items, _ = estimated
    errors = [
        float(row["held_out"]) - float(row["accuracy"]) for row in items if row["models"].rpartition(":")[2] == name
    ]
    assert len(errors) == 34
    rmse = (sum(error**2 for error in errors) / len(errors)) ** 0.5
    assert rmse <= LARGEST_RMSE
    assert found[name]["rmse"] == pytest.approx(rmse, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_blurred_images_are_estimated_better_than_by_confidence(
    estimated: tuple[dict[str, dict[str, Any]], list[dict[str, str]], dict[str, float]], name: str
) -> None:
    found, _, truth = estimated
    figures = found[name]
    assert figures["images"] == 1000
    assert figures["low"] <= truth[name] <= figures["high"]
    for other in ("average_confidence", "difference_of_confidences", "atc"):
        assert abs(figures["estimate"] - truth[name]) < abs(figures[other] - truth[name])
