"""Peak memory of the sweep at 1,000 and at 10,000 images, each in a process of its own: it must not grow with the data.

``python benchmarks/memory.py`` prints both and, last, their ratio. The images are small JPEG files; ResNet-18 sees each
under two conditions.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
CLASSES = 10


def main() -> None:
    """Print the peaks and their ratio."""
    peaks = {}
    for images in (1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder) / "images", images)
            command = [sys.executable, __file__, folder]
            peaks[images] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{images:>6} images: peak {peaks[images] / 1024:.0f} MiB", flush=True)
    print(f"ratio: {peaks[10_000] / peaks[1_000]:.3f}")


def _write(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for index in range(count):
        path = folder / f"class{index % CLASSES}" / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)


def _sweep(folder: Path) -> None:
    import torch
    from torchvision.models import resnet18

    from pytest_robustness import data
    from pytest_robustness.core import CONTROL, ClassMatch, Condition, Model, Preprocess, Selection
    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.frontends.session.progress import SilentProgress
    from pytest_robustness.inference.jobs import job
    from pytest_robustness.inference.loading.loaded_model import LoadedModel
    from pytest_robustness.inference.runtimes.choice import RuntimeChoice
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.inference.sweep.claims import ShardClaims
    from pytest_robustness.inference.sweep.executors.local import LocalExecutor
    from pytest_robustness.inference.sweep.settings import SweepSettings
    from pytest_robustness.inference.sweep.sweep import Sweep
    from pytest_robustness.transforms import builtin

    source = data.open_source(f"folder:{folder / 'images'}", download=False)
    indices = np.arange(len(source.labels))
    selection = Selection(source, indices, source.labels, data.identities(source, indices, FileHashes()))
    model = Model(resnet18(weights=None), Preprocess(resize=SIDE, crop=SIDE), fingerprint="resnet18")
    loaded = LoadedModel("resnet18", model, ClassMatch("position", tuple(range(CLASSES))), SIDE * SIDE)
    jobs = [
        job(loaded, CONTROL, None, 0, "fp32"),
        job(loaded, Condition("vflip"), builtin().get("vflip"), 0, "fp32"),
    ]
    store = Store(folder / "store.sqlite")
    sweep = Sweep(
        jobs,
        selection,
        store=store,
        executor=LocalExecutor(RuntimeChoice("eager", print).prepare, ShardClaims(folder / "locks", "images")),
        progress=SilentProgress(),
        settings=SweepSettings(torch.device("cpu"), "fp32", 0, 0, "error"),
    )
    sweep.run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _sweep(Path(sys.argv[1]))
    else:
        main()
