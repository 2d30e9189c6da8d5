"""Trained on CIFAR-10 with horizontal flips, ResNets cannot tell these from the images, and vertical flips they can."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.real.conftest import BF16

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

NETS = f"python:{Path(__file__).with_name('cifar_resnets.py')}"
ASKED = ("--robustness-studies=detectable", "-m", "detectable", "--robustness-limit=100")


def test_vertical_flips_are_detectable_and_horizontal_ones_are_not(tmp_path, judge_cifar, cifar_store):
    report = tmp_path / "report"
    options = (
        f"--robustness-models={NETS}:resnet20,{NETS}:resnet56",
        "--robustness-transforms=hflip,vflip",
        f"--robustness-report={report}",
        f"--robustness-store={cifar_store}",
        BF16,
    )
    assert judge_cifar(tmp_path, (*options, *ASKED)) == [1]
    table = pd.read_csv(report / "studies/detectable.csv")
    assert table.groupby("transform")["outcome"].unique().map(list).to_dict() == {"hflip": ["PASS"], "vflip": ["FAIL"]}
    vflip = table[table["transform"] == "vflip"].sort_values("auroc")
    # Both models together tell more than either.
    assert vflip["models"].str.split().str.len().tolist() == [1, 1, 2]
    assert vflip["auroc_low"].min() > 0.7
    # They are wrong more often, and hardly less sure.
    assert (vflip["ece_treated"] > vflip["ece_control"] + 30).all()
