"""A project of 1,003 tiny images whose transform notes every image that it is applied to, for the other scripts."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IMAGES = 1003
SHARD = 64
ROOT = Path(__file__).resolve().parents[1]

NETS = """
import torch
from pytest_robustness import Model


class Slope(torch.nn.Module):
    def forward(self, images):
        top, bottom = images.chunk(2, dim=2)
        up = 10 * (top - bottom).mean(dim=(1, 2, 3))
        return torch.stack([-up, up], dim=1)


class Colour(torch.nn.Module):
    def forward(self, images):
        up = 10 * (images[:, 0] - images[:, 2]).mean(dim=(1, 2))
        return torch.stack([-up, up], dim=1)


def slope():
    return Model(Slope(), classes=["down", "up"])


def colour():
    return Model(Colour(), classes=["down", "up"])
"""
# Each call of the sweep is one line: the process, then the hash of each image. Pictures in the report are no sweep.
CONFTEST = """
import hashlib, os, time, traceback
from pathlib import Path
import pytest_robustness.inference.sweep.settings as settings

settings.SHARD_SIZE = {shard}
LOG = str(Path(__file__).parent / "computed.txt")


def pytest_robustness_register(registry):
    @registry.transform("noted", version=1)
    def noted(images):
        callers = [Path(frame.filename).name for frame in traceback.extract_stack()]
        # Not where it is called again on a few images, to see that it changes each by itself.
        if "batch_runner.py" in callers and "by_image.py" not in callers:
            hashes = [hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16] for image in images]
            file = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, (" ".join([str(os.getpid()), *hashes]) + "\\n").encode())
            os.close(file)
            time.sleep({seconds})
        return images.flip(-2)
"""
INI = """
[pytest]
addopts = -p no:hypothesispytest -p no:cacheprovider
pythonpath = .
robustness_data = folder:photos
robustness_models = python:nets.py:slope python:nets.py:colour
robustness_transforms = noted hflip
robustness_workers = 0
robustness_batch_size = 32
"""


def make(folder: Path, *, seconds: float = 0.0, images: int = IMAGES, shard: int = SHARD) -> Path:
    """Write the project; its transform takes ``seconds`` for a batch of 32 images."""
    rng = np.random.default_rng(0)
    for number in range(images):
        name = ("down", "up")[number % 2]
        pixels = rng.integers(0, 156, (8, 8, 3), dtype=np.uint8)
        pixels[:4] += 50 if name == "up" else 0
        pixels[4:] += 0 if name == "up" else 50
        pixels[..., 0 if name == "up" else 2] += 9
        path = folder / "photos" / name / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "nets.py").write_text(NETS)
    (folder / "conftest.py").write_text(CONFTEST.format(shard=shard, seconds=seconds))
    (folder / "pytest.ini").write_text(textwrap.dedent(INI))
    return folder


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start pytest in the project, with ``variables`` in its environment."""
    command = [sys.executable, "-m", "pytest", "--rootdir=.", "--confcutdir=.", "--pyargs", "robustness_tests"]
    paths = os.pathsep.join([str(ROOT / "plugin"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths} | variables
    return subprocess.Popen(
        [*command, *arguments], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def judge(folder: Path, name: str, *arguments: str) -> str:
    """Run pytest with a store and a report called ``name``; return what it printed.

    Raises
    ------
    RuntimeError
        It ended otherwise than with findings or without.
    """
    process = start(folder, f"--robustness-store={name}.sqlite", f"--robustness-report={name}", *arguments)
    printed = process.communicate()[0]
    if process.returncode not in (0, 1):
        raise RuntimeError(printed)
    return printed


def table(folder: Path, name: str) -> bytes:
    """Return ``accuracy.csv`` of the report ``name``; empty where there is none."""
    path = folder / name / "accuracy.csv"
    return path.read_bytes() if path.exists() else b""


def calls(folder: Path) -> list[list[str]]:
    """Return what the transform has noted: for each batch the process, and the hash of each image."""
    path = folder / "computed.txt"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def computed_twice(folder: Path) -> int:
    """Return how many images were transformed again, each time counted."""
    counts = Counter(image for _, *images in calls(folder) for image in images)
    return sum(count - 1 for count in counts.values())


def stored_twice(folder: Path, name: str) -> int:
    """Return how many answers the store has beyond one for each image and cell."""
    sql = "SELECT coalesce(sum(size), 0) - ? * count(DISTINCT cell) FROM prediction JOIN block ON block.id = block"
    with contextlib.closing(sqlite3.connect(folder / f"{name}.sqlite")) as connection:
        row: tuple[Any, ...] = connection.execute(sql, (len({*_images(folder)}),)).fetchone()
    return int(row[0])


def _images(folder: Path) -> list[Path]:
    return [*(folder / "photos").rglob("*.png")]
