"""Every runtime and precision gives the answers of eager PyTorch in fp32, image by image, and its verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock

from pytest_robustness.inference.runtimes import load_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

REFERENCE = ("eager", "fp32")
ENGINES = [
    ("compile", "fp32"),
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("eager", "fp16"),
]
# Of each of the ten classes. A CPU without fp16 instructions takes six times as long for fp16 as for fp32.
IMAGES = {"fp32": 50, "bf16": 50, "fp16": 10}
# Answers that must agree, over all conditions, in percent.
AGREEMENT = {"fp32": 99.9, "bf16": 99.0, "fp16": 99.0}
Run = tuple[str, str, int]


@pytest.fixture(scope="module")
def reports(judge_cifar: Callable[..., list[int]], shared: Path) -> Path:
    """Return the folder with the reports and the stores of all runs, made once for all workers of xdist."""
    references = [(*REFERENCE, images) for images in sorted(set(IMAGES.values()))]
    runs = [*references, *((*engine, IMAGES[engine[1]]) for engine in ENGINES if obstacle(*engine) is None)]
    with FileLock(shared / "fidelity.lock"):
        folder = shared / "fidelity"
        if not folder.exists():
            folder.mkdir()
            judge_cifar(folder, *map(options, runs))
    return folder


def obstacle(runtime: str, precision: str) -> str | None:
    return load_runtime(runtime).obstacle(torch.device("cpu"), precision)


def options(run: Run) -> list[str]:
    runtime, precision, images = run
    return [
        f"--robustness-models=python:{Path(__file__).with_name('cifar_resnets.py')}:resnet20",
        "--robustness-transforms=vflip,brightness",
        f"--robustness-limit={images}",
        f"--robustness-runtime={runtime}",
        f"--robustness-precision={precision}",
        f"--robustness-store={name(run)}.sqlite",
        f"--robustness-report={name(run)}",
    ]


def name(run: Run) -> str:
    return "-".join(map(str, run))


@pytest.mark.parametrize(("runtime", "precision"), ENGINES)
def test_runtimes_agree_with_eager_fp32(reports: Path, runtime: str, precision: str) -> None:
    if (reason := obstacle(runtime, precision)) is not None:
        pytest.skip(reason)
    images = IMAGES[precision]
    run, reference = (runtime, precision, images), (*REFERENCE, images)
    assert verdicts(reports, run) == verdicts(reports, reference)
    expected, found = (answers(reports / name(either)) for either in (reference, run))
    same = np.concatenate([found[condition] == predicted for condition, predicted in expected.items()])
    assert len(same) == 3 * 10 * images
    assert 100 * same.mean() >= AGREEMENT[precision]


def verdicts(reports: Path, run: Run) -> dict[str, str]:
    """Return the verdict under each transform, from a report in which every cell was run by the one runtime."""
    results = json.loads((reports / name(run) / "results.json").read_text())
    assert {engine["runtime"] for cell in results["cells"] for engine in cell["engines"]} == {run[0]}
    return {test["transform"]: test["outcome"] for test in results["model_tests"]}


def answers(report: Path) -> dict[str, NDArray[np.int64]]:
    """Return the predicted class of every image, by transform."""
    table = pd.read_csv(report / "images.csv").sort_values("position")
    return {str(transform): rows.output.to_numpy() for transform, rows in table.groupby("transform")}
