"""Real images that are stored upside down are found among upright ones, and the precision stated is the true one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.real.conftest import BF16, SMALL_IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

RESNETS = f"python:{Path(__file__).with_name('cifar_resnets.py')}"
MODELS = ",".join(f"{RESNETS}:{name}" for name in ("resnet20", "resnet56"))
OPTIONS = ("--robustness-studies=turned_images", "-k", "turned_images", "--robustness-suspects=50")


def planted(cifar: Path, folder: Path, seed: int) -> set[str]:
    """Copy 50 images of each class to ``folder``, one in twenty of them upside down; return the names of those."""
    names = sorted(path.relative_to(cifar) for kind in cifar.iterdir() for path in sorted(kind.iterdir())[:50])
    turned = {str(names[i]) for i in np.random.default_rng(seed).choice(len(names), len(names) // 20, replace=False)}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with Image.open(cifar / name) as image:
            stored = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if str(name) in turned else image
            stored.save((folder / name).with_suffix(".png"))
    return {str(Path(name).with_suffix(".png")) for name in turned}


def test_images_stored_upside_down_are_found(judge: Callable[..., list[int]], cifar: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    turned = planted(cifar, photos, seed=0)
    options = [*OPTIONS, *SMALL_IMAGES, BF16, "--robustness-report=report"]
    judge(tmp_path, photos, [f"--robustness-models={MODELS}", *options])
    [finding] = json.loads((tmp_path / "report/results.json").read_text())["studies"]["turned_images"]
    first, listed = finding["items"][:25], [item for item in finding["items"] if item["listed"]]

    def hits(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [item for item in items if str(Path(item["file"]).relative_to(photos)) in turned]

    assert len(hits(first)) >= 12
    assert {item["turn"] for item in hits(first)} == {"vflip"}
    assert len(listed) >= 6
    assert 100 * len(hits(listed)) / len(listed) == pytest.approx(finding["precision"], abs=20)
    assert finding["share_low"] < 5 < finding["share_high"]
