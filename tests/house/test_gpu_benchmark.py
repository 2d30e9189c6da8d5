"""The benchmark of a GPU takes its whole way on a CPU, and leaves a report however it ends."""

from __future__ import annotations

import json
import math
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch

from tests import warm
from tests.modules import imports_forgotten

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks/gpu.py"
WORKLOADS = ["resnet18, compile", "resnet18, eager", "imagenet12, compile", "imagenet12, eager"]
STAGES = ["decode", "copy", "transform", "normalize", "forward", "score", "store", "rest"]
NOT_MEASURED = "not measured: no CUDA device"

pytestmark = pytest.mark.slow


def command(out: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), "--out", str(out), *arguments]


def environment() -> dict[str, str]:
    """A bare checkout: nothing but its plugin folder on Python's path; and no GPU, wherever these tests run."""
    return os.environ | {"PYTHONPATH": "plugin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def dry(tmp_path_factory):
    out = tmp_path_factory.mktemp("gpu") / "gpu.json"
    # With hours for what takes a minute, no part is left out, however busy the machine.
    done = subprocess.run(
        [*warm.python(), *command(out, "--dry-run", "--minutes=120")[1:]],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text()), done.stdout


def test_every_part_is_there(dry):
    found, _ = dry
    assert list(found["parts"]) == ["tests/gpu", "decoding", "transforms", *WORKLOADS]
    assert found["errors"] == {}
    assert found["dry_run"]


def test_what_needs_a_gpu_is_not_measured_in_those_words(dry):
    found, printed = dry
    parts = found["parts"]
    assert found["machine"]["gpu"] == NOT_MEASURED
    assert parts["tests/gpu"]["passed"] == "not measured: every test was skipped"
    assert parts["tests/gpu"]["failed"] == {}
    assert [parts["decoding"][f"{name}, nvJPEG"] for name in ("torchvision", "torchcodec")] == [NOT_MEASURED] * 2
    assert [parts[name]["protocol_hours"] for name in WORKLOADS] == [NOT_MEASURED] * 4
    assert printed.count(NOT_MEASURED) >= 7


@pytest.mark.parametrize("workload", WORKLOADS)
def test_figures_of_a_workload_belong_together(dry, workload):
    part = dry[0]["parts"][workload]
    [(forward, sweep)] = part["pairs"]
    assert part["models"] == len(part["engines"]) == (1 if workload.startswith("resnet18") else 2)
    assert part["passes"] == part["images"] * 10 * part["models"]
    assert part["ratio"] == pytest.approx(forward / sweep)
    assert part["forward_per_second"] == pytest.approx(part["passes"] / forward)
    assert part["sweep_per_second"] == pytest.approx(part["passes"] / sweep)
    assert part["running_ratio"] == pytest.approx(part["running_per_second"] / part["forward_per_second"])
    assert 0 < part["running_ratio"] < math.inf
    assert list(part["stages_us"]) == STAGES
    assert all(0 < part["stages_us"][stage] < math.inf for stage in STAGES)
    assert {engine.split()[0] for engine in part["engines"].values()} == {workload.partition(", ")[2]}


def test_decoders_and_transforms_have_rates(dry):
    parts = dry[0]["parts"]
    rates = [*parts["decoding"].values(), *parts["transforms"].values()]
    assert all(0 < rate < math.inf for rate in rates if not isinstance(rate, str))
    assert len(parts["transforms"]) == 9
    assert parts["decoding"]["Pillow, one thread"] > 0
    assert [name for name in parts["decoding"] if name.startswith("the sweep's loader, 1 process")]


def test_ctrl_c_leaves_a_report(tmp_path):
    out = tmp_path / "gpu.json"
    running = subprocess.Popen(
        command(out, "--dry-run", "--parts", "transforms", "resnet18, eager", "imagenet12, eager"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in running.stdout:
        if line.startswith("resnet18, eager"):
            time.sleep(0.3)
            running.send_signal(signal.SIGINT)
            break
    running.communicate(timeout=120)
    parts = json.loads(out.read_text())["parts"]
    assert running.returncode == 130
    assert parts["transforms"]["vflip"] > 0
    assert parts["resnet18, eager"] == parts["imagenet12, eager"] == "not measured: interrupted"
    assert parts["decoding"] == "not measured: left out by --parts"


@pytest.fixture
def here(monkeypatch):
    """Run the script in this process, where it is over before it measures anything."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
        with imports_forgotten(), mock.patch.dict(os.environ):
            return runpy.run_path(str(SCRIPT))["main"]()

    return run


def test_parts_are_left_out_when_the_time_is_up(here, tmp_path):
    out = tmp_path / "gpu.json"
    assert here("--dry-run", "--minutes=0.2", f"--out={out}") == 0
    assert set(json.loads(out.read_text())["parts"].values()) == {"not measured: the time was up"}


def test_without_a_gpu_nothing_is_measured(here, tmp_path, capsys):
    assert here(f"--out={tmp_path / 'gpu.json'}") == 2
    assert "no CUDA device here, so that nothing is measured. --dry-run" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
