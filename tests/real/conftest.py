"""Runs the bundled suite on real images and on the models beside this file, as a user would: in its own process."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from filelock import FileLock

from tests import warm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "../shared/data"
CIFAR = ("cifar10-jpeg-test.tar", "models/resnet20-12fca82f.th", "models/resnet56-4bfd9763.th")
# A decoding process takes longer to start than these small images to decode; in small batches they stay in the cache.
SMALL_IMAGES = ("--robustness-workers=0", "--robustness-batch-size=64")
# Where the processor has bf16, a network takes half the time, and an answer in a thousand is another; elsewhere it is
# fp32.
BF16 = "--robustness-precision=bf16"
# Of EfficientNet-Lite0 OpenVINO takes 0.6 of PyTorch's time on a core.
FASTEST = f"--robustness-runtime={'openvino' if importlib.util.find_spec('openvino') else 'eager'}"

# PyTorch takes longer to import than many a run takes: one process does several, one after the other.
RUNS = """
import json, sys, pytest

print(json.dumps([pytest.main(arguments) for arguments in json.load(sys.stdin)]))
"""
COMMON = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--tb=short", "--pyargs", "robustness_tests")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of xdist share; without xdist, one of this run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def cifar(shared: Path) -> Path:
    """Return CIFAR-10's 10,000 test images as JPEG files: one folder for each class, with 1,000 files."""
    missing = [name for name in CIFAR if not (DATA / name).is_file()]
    if missing:
        pytest.skip(f"shared/data beside the checkout lacks {', '.join(missing)}")
    folder = shared / "cifar"
    with FileLock(shared / "cifar.lock"):
        if not folder.exists():
            with tarfile.open(DATA / CIFAR[0]) as archive:
                archive.extractall(shared / "extracted", filter="data")
            (shared / "extracted").rename(folder)
    return folder


@pytest.fixture(scope="session")
def cifar_store(shared: Path) -> Path:
    """Return the file where results on ``cifar``, or on a part, are kept: no test computes what another did."""
    return shared / "cifar.sqlite"


@pytest.fixture(scope="session")
def imagenet_sample() -> Path:
    """Return the folder of 1,000 ImageNet images, one of each class, in folders named by WordNet id."""
    folder = DATA / "imagenet-sample"
    if not folder.is_dir():
        pytest.skip("shared/data beside the checkout lacks imagenet-sample")
    return folder


@pytest.fixture(scope="session")
def judge() -> Callable[..., list[int]]:
    """Run the suite in ``folder``, once for each list of options, in one process; return how each run ended."""

    def run(folder: Path, images: Path, *runs: Sequence[str]) -> list[int]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
        done = subprocess.run(
            [*warm.python(), "-c", RUNS],
            input=json.dumps([[*COMMON, f"--robustness-data=folder:{images}", *options] for options in runs]),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stdout.write(done.stdout + done.stderr)
        assert done.returncode == 0
        codes: list[int] = json.loads(done.stdout.splitlines()[-1])
        return codes

    return run


@pytest.fixture(scope="session")
def judge_cifar(judge: Callable[..., list[int]], cifar: Path) -> Callable[..., list[int]]:
    """Do the same on ``cifar``."""
    return lambda folder, *runs: judge(folder, cifar, *([*SMALL_IMAGES, *options] for options in runs))


@pytest.fixture(scope="session")
def accuracies() -> Callable[[Path], pd.Series[float]]:
    """Return the top-1 accuracies in percent that a report has, by model and transform, over all images."""

    def read(report: Path) -> pd.Series[float]:
        table = pd.read_csv(report / "accuracy.csv")
        table["model"] = table["model"].str.rpartition(":")[2]
        counts = table.groupby(["model", "transform"])[["n", "correct"]].sum()
        return 100 * counts["correct"] / counts["n"]

    return read
