"""On 50 of ImageNet's 1,000 classes top-1 and top-5 are those of a plain loop, masked and not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tvf

from tests.real.conftest import FASTEST
from tests.real.squeezenet import PREPROCESS, WEIGHTS, squeezenet

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

NAME = f"python:{Path(__file__).with_name('squeezenet.py')}:squeezenet"
EVERY = 20  # every twentieth class
RULES = ("all", "data")


@pytest.fixture(scope="module")
def some_classes(imagenet_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 50 of the 1,000 classes, an image of each."""
    if not WEIGHTS.is_file():
        pytest.skip(f"shared/data beside the checkout lacks {WEIGHTS.name}")
    folder = tmp_path_factory.mktemp("some") / "photos"
    for place, images in enumerate(sorted(imagenet_sample.iterdir())):
        if place % EVERY == 0:
            (folder / images.name).mkdir(parents=True)
            for image in images.iterdir():
                (folder / images.name / image.name).symlink_to(image)
    return folder


def ranks(folder: Path, *, flipped: bool) -> dict[str, list[int]]:
    """Return the place of each image's true class among the outputs that count, 0 for the best: one image at a time."""
    module = squeezenet().module.eval()
    kept = torch.arange(0, 1000, EVERY)
    found: dict[str, list[int]] = {rule: [] for rule in RULES}
    for place, images in enumerate(sorted(folder.iterdir())):
        for image in sorted(images.iterdir()):
            pixels = tvf.pil_to_tensor(Image.open(image).convert("RGB"))
            pixels = tvf.resize(pixels, [256], antialias=True)
            # Of 29 rows that the crop leaves out 14 are above it, and 15 once the image is turned upside down.
            top, left = (round((side - 227) / 2) for side in pixels.shape[1:])
            if flipped:
                pixels, top = tvf.vertical_flip(pixels[:, top - 14 : top - 14 + 256]), 14
            pixels = pixels[:, top : top + 227, left : left + 227]
            inputs = (pixels / 255 - torch.tensor(PREPROCESS.mean)[:, None, None]) / PREPROCESS.std[0]
            with torch.inference_mode():
                [logits] = module(inputs[None])
            for rule, true, among in (("all", EVERY * place, logits), ("data", place, logits[kept])):
                found[rule].append(among.argsort(descending=True).tolist().index(true))
    return found


def test_masked_and_plain_accuracies_are_those_of_a_plain_loop(
    judge: Callable[..., list[int]], some_classes: Path, tmp_path: Path
) -> None:
    options = [f"--robustness-models={NAME}", "--robustness-transforms=vflip", "--robustness-workers=0", FASTEST]
    judge(
        tmp_path,
        some_classes,
        *([*options, f"--robustness-outputs={rule}", f"--robustness-report={rule}"] for rule in RULES),
    )
    found = {
        rule: pd.read_csv(tmp_path / rule / "accuracy.csv").groupby("transform")[["n", "correct", "top5"]].sum()
        for rule in RULES
    }
    for condition in ("control", "vflip"):
        expected = ranks(some_classes, flipped=condition == "vflip")
        for rule in RULES:
            row = found[rule].loc[condition]
            counts = [sum(rank < most for rank in expected[rule]) for most in (1, 5)]
            assert row["n"] == len(expected[rule]) == 1000 // EVERY
            assert row[["correct", "top5"]].tolist() == counts, (condition, rule)
    # A mask can only help.
    assert (found["data"] >= found["all"]).all(axis=None)
    assert (found["data"]["correct"] > found["all"]["correct"]).all()
