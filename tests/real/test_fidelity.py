"""Every runtime and precision gives the answers of eager PyTorch in fp32, image by image, and its verdicts."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from pytest_robustness.inference.runtimes import load_runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

# Of each of the ten classes.
IMAGES = 50
# Answers that must agree, over all conditions, in percent.
AGREEMENT = {"fp32": 99.9, "bf16": 99.0, "fp16": 99.0}
ENGINES = [
    ("compile", "fp32"),
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("eager", "fp16"),
]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Keep the answers of eager fp32, so that one test computes them for all."""
    return {}


@pytest.mark.parametrize(("runtime", "precision"), ENGINES)
def test_runtimes_agree_with_eager_fp32(
    suite: Callable[..., pytest.RunResult],
    cifar: Path,
    pytester: pytest.Pytester,
    reference: dict[str, Any],
    runtime: str,
    precision: str,
) -> None:
    obstacle = load_runtime(runtime).obstacle(torch.device("cpu"), precision)
    if obstacle is not None:
        pytest.skip(obstacle)

    def run(runtime: str, precision: str) -> tuple[dict[str, NDArray[np.int32]], dict[str, str]]:
        suite(
            cifar,
            ["cifar_resnets.py:resnet20"],
            "--robustness-transforms=vflip,brightness",
            f"--robustness-limit={IMAGES}",
            f"--robustness-runtime={runtime}",
            f"--robustness-precision={precision}",
            f"--robustness-store={runtime}.sqlite",
        )
        results = json.loads((pytester.path / "report/results.json").read_text())
        assert {engine["runtime"] for cell in results["cells"] for engine in cell["engines"]} == {runtime}
        verdicts = {test["transform"]: test["outcome"] for test in results["model_tests"]}
        return answers(pytester.path / f"{runtime}.sqlite"), verdicts

    if not reference:
        reference["eager"] = run("eager", "fp32")
        (pytester.path / "eager.sqlite").unlink()
    expected, expected_verdicts = reference["eager"]
    found, verdicts = run(runtime, precision)
    assert verdicts == expected_verdicts
    same = np.concatenate([found[condition] == predicted for condition, predicted in expected.items()])
    assert len(same) == 3 * 10 * IMAGES
    assert 100 * same.mean() >= AGREEMENT[precision]


def answers(store: Path) -> dict[str, NDArray[np.int32]]:
    """Return the predicted class of every image, by transform."""
    sql = "SELECT description, predicted FROM cell JOIN shard USING (key) ORDER BY start"
    found: dict[str, list[NDArray[np.int32]]] = {}
    with contextlib.closing(sqlite3.connect(store)) as connection:
        for description, blob in connection.execute(sql):
            found.setdefault(json.loads(description)["transform"], []).append(np.frombuffer(blob, "<i4"))
    return {transform: np.concatenate(parts) for transform, parts in found.items()}
