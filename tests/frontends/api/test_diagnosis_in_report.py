"""The report shows what the doctor said of a model, as long as the model is as the doctor saw it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest_robustness
from tests.made_classifier import RIGHT, images, trained

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness import Model

SOURCE = images(("owl", "ant", "cat"), 12)


def shown(model: Model, folder: Path) -> str | None:
    found = pytest_robustness.evaluate({"made": model}, SOURCE, transforms=["hflip"], store=folder / "runs.sqlite")
    found.report(folder / "report")
    [row] = json.loads((folder / "report/results.json").read_text(encoding="utf-8"))["models"]
    return row["diagnosis"]


def test_the_verdict_stands_in_the_report_until_the_model_is_mended(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = trained(SOURCE)
    wrong = dataclasses.replace(model, preprocess=dataclasses.replace(RIGHT, channels="BGR"))
    assert shown(wrong, tmp_path) is None
    found = pytest_robustness.doctor({"made": wrong}, SOURCE, store=tmp_path / "runs.sqlite")
    assert shown(wrong, tmp_path) == f"{found.verdict.reason} ({found.when})"
    assert "Channel order is wrong" in found.verdict.reason
    assert shown(model, tmp_path) is None
