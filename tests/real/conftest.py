"""Runs the bundled suite on real images and on the models beside this file, as a user would: in its own process."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "../shared/data"
CIFAR = ("cifar10-jpeg-test.tar", "models/resnet20-12fca82f.th", "models/resnet56-4bfd9763.th")


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
    """Return the file where results on all of ``cifar`` are kept, so that no test computes what another did."""
    return shared / "cifar.sqlite"


@pytest.fixture(scope="session")
def imagenet_sample() -> Path:
    """Return the folder of 1,000 ImageNet images, one of each class, in folders named by WordNet id."""
    folder = DATA / "imagenet-sample"
    if not folder.is_dir():
        pytest.skip("shared/data beside the checkout lacks imagenet-sample")
    return folder


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run the suite: ``suite(images, ["file.py:factory"], *options)``; the report is in ``report``."""

    def run(images: Path, models: Sequence[str], *options: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "--pyargs",
            "robustness_tests",
            "--tb=short",
            f"--robustness-data=folder:{images}",
            f"--robustness-models={','.join(f'python:{HERE / model}' for model in models)}",
            "--robustness-report=report",
            *options,
        )

    return run


@pytest.fixture
def accuracies(suite: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> Callable[..., pd.Series[float]]:
    """Run the suite as `suite` does; return top-1 accuracy in percent by factory and transform, over all images."""

    def run(images: Path, models: Sequence[str], *options: str) -> pd.Series[float]:
        suite(images, models, *options)
        table = pd.read_csv(pytester.path / "report/accuracy.csv")
        table["model"] = table["model"].str.rpartition(":")[2]
        counts = table.groupby(["model", "transform"])[["n", "correct"]].sum()
        return 100 * counts["correct"] / counts["n"]

    return run
