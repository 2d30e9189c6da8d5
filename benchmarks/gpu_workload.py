"""One set of models on one device: forward only against the sweep, where the time goes, and the protocol's hours."""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from paired import median_ratio, seconds, timed_pairs
from stages import profile
from sweep import PROTOCOL, SweepBench

from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.inference.runtimes.choice import RuntimeChoice

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from gpu import Bench

    from pytest_robustness.core import Model, Runner, Workload

PRECISION = "bf16"
SHARD = 512


@dataclasses.dataclass(frozen=True)
class Pace:
    """How much is measured.

    Files on disk; images in a batch of transforms, and how many batches; images in a loader's batch; the least seconds
    of a decoder; images of the first sweep, and most images of the timed ones; pairs; the share of a part's time in
    which models may be compiled.
    """

    files: int = 512
    batch: int = 256
    repeats: int = 10
    loader_batch: int = 256
    least_seconds: float = 1.0
    first: int = 2 * SHARD
    most: int = 128 * SHARD
    pairs: int = 3
    compiling: float = 0.55


@dataclasses.dataclass(frozen=True)
class DryPace(Pace):
    """A minute's worth on two cores."""

    files: int = 24
    batch: int = 4
    repeats: int = 1
    loader_batch: int = 8
    least_seconds: float = 0.1
    first: int = 24
    most: int = 24
    pairs: int = 1


PACE = Pace()


class Workbench(SweepBench):
    """A sweep whose models are compiled while there is time, and run eagerly from then on."""

    def __init__(self, modules: dict[str, torch.nn.Module], files: Path, folder: Path, runtime: str, bench: Bench):
        options = argparse.Namespace(
            device=bench.device.type,
            runtime=runtime,
            precision=PRECISION,
            workers=bench.workers,
            count_compilation=False,
        )
        super().__init__(modules, files, folder, options)
        self._eager = RuntimeChoice("eager", print)
        self._compile_until = time.monotonic() + bench.pace.compiling * max(0.0, bench.seconds_left)

    def _prepare(self, name: str, model: Model, workload: Workload) -> Runner:
        if time.monotonic() > self._compile_until and name not in self.runners:
            self.runners[name] = self._eager.prepare(name, model, workload)
        return super()._prepare(name, model, workload)


class Beats(SilentProgress):
    """A progress that knows when each batch was done."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[float, int]] = []

    def advance(self, images: int) -> None:
        """Note the time."""
        self.times.append((time.perf_counter(), images))


def measure(workbench: Workbench, bench: Bench) -> dict[str, Any]:
    """Return images per second of both, their ratio, the stages and the hours; an image under one condition is one."""
    pace, models = bench.pace, len(workbench.runners) or None
    workbench.take(pace.first)
    preparing = seconds(workbench.sweep)
    models = len(workbench.runners)
    once = seconds(workbench.sweep), seconds(workbench.forward_only)
    # Of what is left, a third is for the profile and for what the first sweep underestimates.
    fit = 0.65 * bench.seconds_left / (pace.pairs * sum(once))
    workbench.take(min(pace.most, max(pace.first, int(fit * pace.first) // SHARD * SHARD)))
    images = len(workbench.selection.indices)
    running: list[float] = []

    def sweep() -> None:
        workbench.progress = beats = Beats()
        workbench.sweep()
        ended = time.perf_counter()
        later = sum(count for _, count in beats.times[1:])
        running.append(later / (ended - beats.times[0][0]) if later else float("nan"))

    pairs = timed_pairs(pace.pairs, ("forward only", workbench.forward_only), ("sweep", sweep))
    passes = images * workbench.conditions * models
    forward, whole = (sorted(times)[len(times) // 2] for times in zip(*pairs, strict=True))
    rate = max(running) * workbench.conditions * models
    workbench.take(min(images, 2 * pace.first))
    stages = profile(workbench.sweep, workbench.device)
    profiled = len(workbench.selection.indices) * workbench.conditions * models
    return {
        "models": models,
        "engines": {name: str(runner.engine) for name, runner in workbench.runners.items()},
        "preparing_seconds": preparing,
        "images": images,
        "passes": passes,
        "pairs": pairs,
        "forward_per_second": passes / forward,
        "sweep_per_second": passes / whole,
        "ratio": median_ratio(pairs),
        "running_per_second": rate,
        "running_ratio": rate * forward / passes,
        "stages_us": {stage: 1e6 * spent / profiled for stage, spent in stages.items()},
        "protocol_hours": _hours(rate, models, bench),
    }


def _hours(rate: float, models: int, bench: Bench) -> float | str:
    """Return the full protocol's hours at ``rate`` passes a second; with fewer than its models, those of their part."""
    if bench.device.type != "cuda":
        return "not measured: no CUDA device"
    return PROTOCOL / 12 * models / rate / 3600
