"""One small model under the nine transforms, as a gate has it: the sweep against its forward passes, stage by stage.

``python benchmarks/gate.py --busy`` measures on the machine as it is, and again beside a process that keeps a core
busy: how long the sweep takes against forward passes alone on tensors that are ready, in turn, as a median over
``--pairs``, and where its time goes. ``--before PATH`` measures another checkout too. The last line is the verdict.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sweep import SweepBench, write_images  # first: it sets how OpenMP waits, before PyTorch is imported

# ruff: noqa: I001
import torch
from neighbour import neighbour
from paired import seconds
from rich.console import Console
from rich.table import Table
from torchvision.models import get_model

from pytest_robustness.inference.sweep import batch_runner, prepared_models, unsaved
from pytest_robustness.inference.loader import loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a sweep has to reach of forward only, and where.
LEAST = {"quiet": 0.90, "busy": 0.85}


def main() -> None:
    """Print the ratios, the stages and the verdict."""
    options = _options()
    if options.json:
        options.json.write_text(json.dumps(measured(options)), encoding="utf-8")
        return
    results = {"now": measured(options)}
    if options.before:
        results = {"before": elsewhere(options), **results}
    for place in results["now"]:
        Console().print(_stages(place, {when: result[place] for when, result in results.items()}))
    for when, result in results.items():
        for place, one in result.items():
            others = f"of the quickest of each: {one['best']:.2f}; in CPU time: {one['cpu']:.2f}"
            print(f"{when}, {place}: {one['ratio']:.2f} of forward only ({others})")
    missed = [place for place, one in results["now"].items() if one["ratio"] < LEAST[place]]
    print(f"verdict: {'missed, ' + ' and '.join(missed) if missed else 'reached'} ({LEAST})")


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return the ratio and the stages in each place."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "images"
        write_images(files, options.images)
        bench = SweepBench({options.model: get_model(options.model, weights=None).eval()}, files, Path(folder), options)
        bench.prepare_all()
        results = {}
        for place in ("quiet", "busy") if options.busy else ("quiet",):
            with neighbour(busy=place == "busy"):
                bench.sweep()  # its time does not count
                results[place] = _pairs(options.pairs, bench) | {"stages": _timed_stages(bench, options.images)}
        print(f"engine: {', '.join(str(runner.engine) for runner in bench.runners.values())}", file=sys.stderr)
    return results


def elsewhere(options: argparse.Namespace) -> dict[str, Any]:
    """Return what this script measures of the checkout ``options.before``."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        names = ("model", "images", "precision", "pairs", "device", "runtime")
        arguments = [f"--{name}={getattr(options, name)}" for name in names] + ["--busy"] * options.busy
        subprocess.run(
            [sys.executable, __file__, *arguments, f"--json={result}"],
            env=os.environ | {"PYTHONPATH": f"{options.before}/plugin"},
            check=True,
        )
        read: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return read


def _pairs(pairs: int, bench: SweepBench) -> dict[str, Any]:
    """Time sweep and forward passes in turn."""
    times = []
    for pair in range(pairs):
        # Each goes first in half of the pairs.
        works = (bench.forward_only, bench.sweep) if pair % 2 == 0 else (bench.sweep, bench.forward_only)
        once = {work: _wall_and_cpu(work) for work in works}
        times.append((*once[bench.forward_only], *once[bench.sweep]))
        print("forward {:.2f} s ({:.2f} s of CPU), sweep {:.2f} s ({:.2f})".format(*times[-1]), file=sys.stderr)
    return {
        "ratio": statistics.median(forward / sweep for forward, _, sweep, _ in times),
        "cpu": statistics.median(forward / sweep for _, forward, _, sweep in times),
        "best": min(forward for forward, *_ in times) / min(sweep for *_, sweep, _ in times),
    }


def _wall_and_cpu(work: Callable[[], object]) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def _timed_stages(bench: SweepBench, images: int) -> dict[str, float]:
    """Return the milliseconds per image of each stage of one sweep."""
    spent: Counter[str] = Counter()
    with _watched(spent):
        whole = seconds(bench.sweep)
    spent["all else"] = whole - sum(spent.values())
    return {stage: 1000 * took / images for stage, took in spent.items()}


@contextlib.contextmanager
def _watched(spent: Counter[str]) -> Iterator[None]:
    """Add the seconds of each stage to ``spent``; decoding counts in this process only."""

    def watch(owner: Any, name: str, stage: Callable[..., str]) -> Any:
        work = getattr(owner, name)

        @functools.wraps(work)  # what is sent to a process goes by its name
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                spent[stage(*arguments)] += time.perf_counter() - start

        return patch.object(owner, name, timed)

    with contextlib.ExitStack() as stack:
        for owner, name, stage in (
            (loader._Reader, "read", lambda *_: "read, decode, resize to the canvas"),
            (batch_runner, "_transformed", lambda *arguments: str(arguments[2])),
            (batch_runner, "to_inputs", lambda *_: "normalize, 10 times"),
            (prepared_models.PreparedModels, "_answered", lambda *_: "forward, 10 times, as far as it is waited for"),
            (batch_runner, "score_among", lambda *_: "score, 10 times"),
            (unsaved.Unsaved, "commit", lambda *_: "store"),
        ):
            stack.enter_context(watch(owner, name, stage))
        yield


def _stages(place: str, results: dict[str, Any]) -> Table:
    table = Table("stage", *(f"{place}, {when}, ms an image" for when in results))
    for stage in results["now"]["stages"]:
        table.add_row(stage, *(f"{one['stages'].get(stage, float('nan')):.3f}" for one in results.values()))
    table.add_row("together", *(f"{sum(one['stages'].values()):.3f}" for one in results.values()))
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mobilenet_v2", help="torchvision's name")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--busy", action="store_true", help="measure beside a busy process as well")
    parser.add_argument("--before", type=Path, help="another checkout to measure as well")
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.workers = None
    options.count_compilation = False
    return options


if __name__ == "__main__":
    main()
