"""``--robustness-outputs``: a model answers among all of its outputs, or among those of the classes of the data."""

from __future__ import annotations

import pytest
from pytest import ExitCode  # noqa: PT013

from tests.wide_net import WIDE

NAME = "python:nets.py:wide"
NOTE = "Models answer among the outputs of the data's 2 classes (--robustness-outputs=data)."


@pytest.fixture
def wide(project):
    nets = project.path / "nets.py"
    nets.write_text(nets.read_text() + WIDE)
    project.configure(robustness_models=NAME)
    return project


def counted(project):
    table = project.table("accuracy.csv").groupby("transform")[["correct", "top5"]].sum(min_count=1)
    return {name: (row["correct"], row["top5"]) for name, row in table.iterrows()}


def test_masked_figures_are_those_of_a_model_without_the_other_outputs(wide):
    right = {name: int(wide.right(1, 0, name).sum()) for name in ("control", "vflip", "hflip")}
    assert {right["control"], right["vflip"]} == {40, 0}
    wide.judge()
    # The better of the two outputs has the four higher ones before it, and the other one has five.
    assert counted(wide) == {name: (0, count) for name, count in right.items()}
    assert NOTE not in (wide.path / "reports/latest/summary.md").read_text()
    result = wide.judge("--robustness-outputs=data")
    found = counted(wide)
    assert {name: correct for name, (correct, _) in found.items()} == right
    assert all(top5 != top5 for _, top5 in found.values())  # two outputs have no five
    assert NOTE in " ".join(result.stdout.str().split())
    assert NOTE in (wide.path / "reports/latest/summary.md").read_text().replace("\\_", "_")
    results = wide.results()
    assert results["provenance"]["options"]["outputs"] == "data"
    assert [(row["output_count"], row["kept_outputs"]) for row in results["models"]] == [(6, 2)]
    images = wide.table("images.csv")
    assert set(images["output"]) <= {1, 4}
    assert images["probability"].min() >= 0.5


def test_each_setting_has_its_own_answers_in_the_store(wide):
    wide.judge()
    again = wide.judge("--robustness-plan", "--robustness-outputs=data")
    again.stdout.fnmatch_lines(["3 cells on 40 images: 0 predictions stored, 120 missing"])
    wide.judge("--robustness-outputs=data")
    assert sum(wide.stored().values()) == 240
    seen = wide.forwards
    for rule in ("all", "data"):
        wide.judge("--robustness-plan", f"--robustness-outputs={rule}").stdout.fnmatch_lines(
            ["3 cells on 40 images: 120 predictions stored, 0 missing"]
        )
    assert wide.forwards - seen < 20  # the first answers of a model that is loaded


def test_a_model_that_has_no_other_outputs_keeps_its_answers(project):
    project.judge()
    seen, before = project.forwards, project.table("accuracy.csv")
    project.judge("--robustness-outputs=data")
    assert sum(project.stored().values()) == 240
    assert project.table("accuracy.csv").equals(before)
    assert project.forwards - seen < 80  # the canary's, and no batch of forty


def test_a_baseline_of_the_other_setting_is_refused_by_name(wide):
    wide.judge("--robustness-update-baseline", "--robustness-outputs=data")
    result = wide.judge("--robustness-baseline=robustness-baseline.json")
    assert result.ret == ExitCode.USAGE_ERROR
    assert "--robustness-outputs: data in the baseline, all in this run" in result.stdout.str() + result.stderr.str()
    result = wide.judge("--robustness-baseline=robustness-baseline.json", "--robustness-outputs=data")
    assert result.ret != ExitCode.USAGE_ERROR


def test_without_labels_there_is_nothing_to_mask_by(wide):
    result = wide.judge("--robustness-labels=none", "--robustness-outputs=data")
    assert result.ret == ExitCode.USAGE_ERROR
    assert "--robustness-labels=none judges images without labels" in result.stdout.str() + result.stderr.str()
