"""The full protocol with stubs: ImageNet's training set, twelve models, control and nine transforms.

``python benchmarks/full_size.py`` runs the bundled suite on 1,281,167 images, cold and then warm, each in a process of
its own, and prints the size of the store, the peak memory and the time of every stage. ``--images 64000`` runs a
twentieth; ``-n 2`` has two processes of pytest-xdist, as on two cores, and then stages are those of the process that
reports. What is a stub: an image is 192 bytes made from its number, its identity a hash of that number (so that no
file is listed, hashed or decoded), a transform marks the image, and a model looks its 1,000 logits up in a table. All
else is what a run does: planning, scoring, storing, checking what is stored, statistics, every report. The stubs' own
time is measured and subtracted. The last line is the time without them in minutes, cold run and warm run together.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAINING_SET = 1_281_167
CLASSES = 1000

STUB = '''
"""Images, models and transforms that cost next to nothing, and answer as models do."""

import hashlib
import time

import numpy as np
import torch

from pytest_robustness import ClassLabel, Model, Preprocess

IMAGES, CLASSES, MODELS = {images}, {classes}, {models}


class Source:
    name = "stub"
    classes = tuple(ClassLabel(f"n{{i:08}}", f"class {{i}}") for i in range(CLASSES))
    labels = np.sort(np.random.default_rng(0).integers(0, CLASSES, IMAGES))
    in_memory = True
    notes = ()

    def read(self, index):
        content = int(index).to_bytes(8, "little") + int(self.labels[index]).to_bytes(8, "little") + bytes(176)
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(3, 8, 8)

    def describe(self, index):
        return f"n{{int(self.labels[index]):08}}/n{{int(self.labels[index]):08}}_{{index}}.JPEG"

    def key(self, index):
        return str(index)

    def identities(self, indices, hashes):
        digests = b"".join(hashlib.blake2b(int(i).to_bytes(8, "little"), digest_size=16).digest() for i in indices)
        return np.frombuffer(digests, "V16")


def images():
    return Source()


LOGITS = torch.randn(CLASSES, generator=torch.Generator().manual_seed(0)).repeat(512, 1)
WRITTEN = {{}}
SPENT = [0.0, 0.0]


class Stub(torch.nn.Module):
    """Right on 3 of 4 images; under a transform on fewer, by 1 to 9 points."""

    def __init__(self, number):
        super().__init__()
        self.register_buffer("number", torch.tensor(number))

    def forward(self, images):
        started, busy = time.perf_counter(), time.process_time()
        logits = self.logits(images)
        SPENT[0] += time.perf_counter() - started
        SPENT[1] += time.process_time() - busy
        return logits

    def logits(self, images):
        found = (images * 255).round().long()
        index = (found[:, 0, 0, :4] * torch.tensor([1, 256, 65536, 16777216])).sum(1)
        label = (found[:, 0, 1, 0] + 256 * found[:, 0, 1, 1]) % CLASSES
        condition = found[:, 0, 2, 0]
        mixed = (index * 2654435761 + self.number * 40503) % 4294967296
        draw = (mixed >> 8) % 10000
        moved = ((mixed * 69069 + condition * 362437) >> 7) % 100
        right = (draw < 7500) & ~(moved < condition)
        if WRITTEN:  # the same logits each time, but for what the images before had in two places
            LOGITS[WRITTEN["rows"], WRITTEN["places"]] = WRITTEN["values"]
        rows = torch.arange(len(images))
        wrong = (mixed >> 3) % CLASSES
        places = torch.stack([wrong, label])
        WRITTEN.update(rows=rows, places=places, values=LOGITS[rows, places])
        LOGITS[rows, wrong] = 7.0
        LOGITS[rows, label] = torch.where(right, 9.0, 5.0)
        return LOGITS[: len(images)]


def model(number):
    def factory():
        names = [label.key for label in Source.classes]
        return Model(Stub(number), Preprocess(mean=(0, 0, 0), std=(1, 1, 1)), names, runtime="stub")

    return factory


for number in range(MODELS):
    globals()[f"m{{number}}"] = model(number)
'''

MARKS = """
import json, os, resource, sys


def pytest_sessionfinish():
    for name, module in sys.modules.items():
        if name.startswith("robustness_user_stub"):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with open(f"process-{os.getpid()}.json", "w") as file:
                json.dump([*module.SPENT, peak], file)


def pytest_robustness_register(registry):
    for number in range(1, 10):
        def mark(images, number=number):
            images = images.clone()
            images[:, 0, 2, 0] = number
            return images

        registry.transform(f"stub{number}")(mark)
"""


class Stages:
    """Measures how long the functions of a run take, and how much memory the process has at most by then."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.busy: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.peaks: dict[str, int] = {}
        self._inside: list[list[float]] = []

    def watch(self, owner: Any, function: str, stage: str) -> None:
        """Count the time of ``function`` towards ``stage``; what it calls of other stages counts towards those."""
        before = getattr(owner, function)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._timed(stage):
                return before(*args, **kwargs)

        setattr(owner, function, timed)

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started, busy, within = time.perf_counter(), time.process_time(), [0.0, 0.0]
        self._inside.append(within)
        try:
            yield
        finally:
            self._inside.pop()
            took, used = time.perf_counter() - started, time.process_time() - busy
            self.seconds[stage] += took - within[0]
            self.busy[stage] += used - within[1]
            self.calls[stage] += 1
            if self._inside:
                self._inside[-1][0] += took
                self._inside[-1][1] += used
            self.peaks[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def watch_all(stages: Stages) -> None:
    """Watch the stages of a run."""
    from pytest_robustness import data
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.frontends.session.run import Run
    from pytest_robustness.inference import predictor
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.inference.loader import loader
    from pytest_robustness.inference.sweep import batch_runner
    from pytest_robustness.inference.sweep.prepared_models import PreparedModels
    from pytest_robustness.inference.sweep.sweep import Sweep
    from pytest_robustness.inference.sweep.unsaved import Unsaved
    from pytest_robustness.inference.sweep.work import Work
    from pytest_robustness.report import build, images, tables
    from pytest_robustness.report.page import render

    watched: list[tuple[Any, str, str]] = [
        (data, "identities", "identities (stub)"),
        (predictor.Predictor, "_open", "opening data and store"),
        (JobMaker, "jobs", "loading models"),
        (Sweep, "_forget_stale", "checking stored answers"),
        (Work, "missing", "what is missing"),
        (Work, "amount", "what is missing"),
        (Work, "_update", "what other processes stored"),
        (Sweep, "run", "sweep, the rest"),
        (loader._Reader, "read", "reading images"),
        (batch_runner, "_transformed", "transforms"),
        (PreparedModels, "_answered", "calling models"),
        (batch_runner, "score_among", "scoring"),
        (Unsaved, "commit", "storing"),
        (StoredPredictions, "scored", "reading cells"),
        (Judge, "model_test", "statistics"),
        (Judge, "class_test", "statistics"),
        (build, "confusions", "confusions"),
        (build, "average_changes", "average changes"),
        (Run, "write_reports", "reports, the rest"),
        (tables, "write", "tables"),
        (render, "write", "page"),
        (images, "write", "table of images"),
    ]
    for owner, function, stage in watched:
        stages.watch(owner, function, stage)


def run(folder: Path, models: int, arguments: list[str]) -> None:
    """Run the suite in this process and print what was measured as JSON."""
    import pytest

    from pytest_robustness.core.process import limit_openmp_spin

    limit_openmp_spin()
    stages, started = Stages(), time.perf_counter()

    class Watcher:
        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionstart(self) -> None:
            watch_all(stages)

    names = ",".join(f"python:{folder}/stub.py:m{number}" for number in range(models))
    transforms = ",".join(f"stub{number}" for number in range(1, 10))
    code = pytest.main(
        [
            *("--pyargs", "robustness_tests", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--tb=no"),
            *("-p", "marks", f"--robustness-data=python:{folder}/stub.py:images", f"--robustness-models={names}"),
            *(f"--robustness-transforms={transforms}", "--robustness-store=store.sqlite", *arguments),
        ],
        plugins=[Watcher()],
    )
    processes = [json.loads(file.read_text(encoding="utf-8")) for file in Path().glob("process-*.json")]
    if stages.calls["calling models"]:  # by this process
        for spent, took in zip((stages.seconds, stages.busy), processes[0][:2], strict=True):
            spent["calling models"] -= took
    # Several processes run them at the same time.
    stages.seconds["models (stub)"] = statistics.mean(wall for wall, _, _ in processes)
    stages.busy["models (stub)"] = sum(busy for _, busy, _ in processes)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "code": int(code),
        "wall": time.perf_counter() - started,
        "busy": time.process_time() + children.ru_utime + children.ru_stime,
        "seconds": stages.seconds,
        "busy_by_stage": stages.busy,
        "calls": stages.calls,
        "peaks": stages.peaks,
        "peak": max([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, *(peak for _, _, peak in processes)]),
    }
    Path("measured.json").write_text(json.dumps(found), encoding="utf-8")


def measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run the suite in a process of its own in ``folder``, and return what it measured."""
    for file in folder.glob("process-*.json"):
        file.unlink()
    command = [sys.executable, __file__, "--inside", str(folder), "--models", str(options.models), *options.arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=(folder / "output.txt").open("w"))
    found: dict[str, Any] = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    return found


def show(name: str, found: dict[str, Any]) -> float:
    """Print the stages of a run; return its time without the stubs."""
    peak = f"peak {found['peak'] / 2**20:.2f} GiB"
    print(f"\n{name}: {found['wall']:.0f} s, {found['busy']:.0f} s of CPU, exit code {found['code']}, {peak}")
    print(f"{'stage':<32}{'seconds':>9}{'of CPU':>9}{'calls':>10}{'peak by then, GiB':>19}")
    for stage, seconds in found["seconds"].items():
        busy, calls = found["busy_by_stage"][stage], found["calls"].get(stage, 0)
        memory = found["peaks"].get(stage, 0) / 2**20
        print(f"{stage:<32}{seconds:>9.1f}{busy:>9.1f}{calls:>10}{memory:>19.2f}")
    wall, busy = (
        whole - sum(value for stage, value in stages.items() if stage.endswith("(stub)"))
        for whole, stages in ((found["wall"], found["seconds"]), (found["busy"], found["busy_by_stage"]))
    )
    print(f"without the stubs: {wall:.0f} s, {busy:.0f} s of CPU", flush=True)
    return float(wall)


def main() -> None:
    """Print what is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=TRAINING_SET)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="keep store and report here (default: a temporary folder)")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options, options.arguments = parser.parse_known_args()
    if options.inside is not None:
        sys.path.insert(0, str(options.inside))
        run(options.inside, options.models, options.arguments)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        stub = STUB.format(images=options.images, classes=CLASSES, models=options.models)
        (folder / "stub.py").write_text(stub, encoding="utf-8")
        (folder / "marks.py").write_text(MARKS, encoding="utf-8")
        predictions = options.images * options.models * 10
        print(f"{options.images:,} images x {options.models} models x 10 conditions: {predictions:,} predictions")
        cold = show("cold", measured(folder, options))
        size = (folder / "store.sqlite").stat().st_size
        warm = show("warm", measured(folder, options))
    print(f"\nstore: {size / 1e9:.2f} GB, {size / predictions:.2f} bytes a prediction")
    print(f"minutes without the stubs: {(cold + warm) / 60:.1f}")


if __name__ == "__main__":
    main()
