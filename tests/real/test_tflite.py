"""Two quantized TensorFlow Lite models of ImageNet reach the accuracies that were measured elsewhere."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
pytest.importorskip("openvino", reason="the extra openvino is not installed")

ACCURACIES = {
    "mobilenet_v1_0.25_128_quant": {"control": 43.7, "vflip": 27.0},
    "mobilenet_v1_0.5_160_quant": {"control": 65.1, "vflip": 39.2},
}


@pytest.fixture
def models(imagenet_sample: Path, tmp_path: Path) -> list[str]:
    """Return the names of the two models, each with the sidecar that its measured figures are of."""
    names = [f"{name}.tflite" for name in ACCURACIES]
    published = imagenet_sample.parent / "models"
    missing = [name for name in names if not (published / name).is_file()]
    if missing:
        pytest.skip(f"shared/data beside the checkout lacks {', '.join(missing)}")
    for name in names:
        shutil.copy(published / name, tmp_path / name)
        (tmp_path / f"{name}.json").write_text(json.dumps({"resize": 256, "crop": 224}))
    return [f"openvino:{name}" for name in names]


def test_quantized_models_reach_their_measured_accuracies(
    models: list[str], judge: Callable[..., list[int]], imagenet_sample: Path, tmp_path: Path
) -> None:
    options = ["--robustness-transforms=vflip", "--robustness-report=report", "--robustness-workers=0"]
    judge(tmp_path, imagenet_sample, [f"--robustness-models={','.join(models)}", *options])
    counts = pd.read_csv(tmp_path / "report/accuracy.csv").groupby(["model", "transform"])[["n", "correct"]].sum()
    found = 100 * counts["correct"] / counts["n"]
    for name, figures in ACCURACIES.items():
        assert found[f"openvino:{name}.tflite"].to_dict() == pytest.approx(figures, abs=0.3), name
