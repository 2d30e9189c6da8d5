"""The breaking point of a real model is that of a grid of 200 magnitudes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from scipy.optimize import isotonic_regression

from tests.real.conftest import BF16

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

MODEL = f"python:{Path(__file__).with_name('cifar_resnets.py')}:resnet20"
BRUTE = 200
# Of the first eighth of the grid each is evaluated, of the others, which are far beyond the margin, every tenth.
FINE = BRUTE // 8
STEPS = [*range(1, FINE + 1), *range(FINE + 10, BRUTE + 1, 10)]
MARGIN = 2.0


def test_the_search_finds_the_point_of_all_magnitudes(judge_cifar: Callable[..., list[int]], tmp_path: Path) -> None:
    common = [f"--robustness-models={MODEL}", "--robustness-limit=25", f"--robustness-margin={MARGIN}", BF16]
    steps = [round(90 * step / BRUTE, 2) for step in STEPS]
    judge_cifar(
        tmp_path,
        [*common, "--robustness-transforms=rotation", "-k", "breaking_point", "--robustness-report=search"],
        [
            *common,
            "--robustness-transforms=" + ",".join(f"rotation:{step:g}" for step in steps),
            *("-k", "test_models", "--robustness-report=all"),
        ],
    )
    (found,) = json.loads((tmp_path / "search/results.json").read_text(encoding="utf-8"))["studies"]["breaking_point"]
    table = pd.read_csv(tmp_path / "all/accuracy.csv")
    # Every class has as many images, so that the mean over the classes is that over the images.
    counts = table.groupby("transform")[["n", "correct"]].sum()
    assert counts["n"].tolist() == [250] * (len(STEPS) + 1)
    accuracy = 100 * counts["correct"] / counts["n"]
    falls = [0.0, *(accuracy["control"] - accuracy[f"rotation:{step:g}"] for step in steps)]
    assert min(falls[FINE + 1 :]) > 5 * MARGIN
    brute = [0.0, *steps][int((isotonic_regression(falls).x > MARGIN + 1e-9).argmax())]

    assert abs(found["breaking_point"] - brute) <= 0.02 * (found["extreme"] - found["neutral"])
    assert found["evaluations"] * 8 <= BRUTE
    assert found["low"] <= brute <= found["high"] + 90 / BRUTE
