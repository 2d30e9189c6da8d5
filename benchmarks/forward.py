"""Forward passes of single models on the CPU, with what this project does for them and without.

``python benchmarks/forward.py`` times batches of the sweep's size: eager PyTorch with freed memory kept against handed
back, and, where it is installed, OpenVINO with a batch in parts, one to a thread, against the batch as a whole. Each is
timed in turn, in fp32 and with ``--precision bf16``; the table has the milliseconds for an image and the median ratio.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING
from unittest.mock import patch

from pytest_robustness.core.process import limit_openmp_spin

limit_openmp_spin()  # before PyTorch is imported, as in a run of pytest

# ruff: noqa: E402
import statistics

import torch
from paired import median_ratio, timed_pairs
from torchvision.models import get_model

from pytest_robustness.core import Model, Runner, Workload
from pytest_robustness.core.freed_memory import freed_memory_kept
from pytest_robustness.inference.device import equal_batches, pixels_at_once
from pytest_robustness.inference.runtimes import load_runtime, openvino_cpu

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = (
    "mobilenet_v2",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
    "efficientnet_b0",
    "densenet121",
    "resnet18",
    "resnet50",
)
CPU = torch.device("cpu")
PASSES = 16  # a sweep has more: it hands memory back once, at its end


def main() -> None:
    """Print a line for each model and runtime."""
    options = _options()
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    for name in options.models:
        module = get_model(name, weights=None).eval()
        batch = torch.randn(equal_batches(512, pixels_at_once(CPU) // 256**2), 3, 224, 224)
        workload = Workload(batch, options.precision, 10**6)
        ways = []
        if "eager" in options.runtimes:
            ways.append(("eager: handed back, kept", *_eager(module, workload)))
        if "openvino" in options.runtimes and load_runtime("openvino").obstacle(CPU, options.precision) is None:
            ways.append(("openvino: whole, in parts", *_openvino(module, workload)))
        for what, before, now in ways:
            before(), now()  # the first ones allocate
            pairs = timed_pairs(options.pairs, ("before", before), ("now", now), "ms")
            each = [1000 * statistics.median(times) / (PASSES * len(batch)) for times in zip(*pairs, strict=True)]
            print(
                f"{name}, {options.precision}, {what}: {each[0]:.2f} and {each[1]:.2f} ms an image, "
                f"ratio: {median_ratio(pairs):.2f}",
                flush=True,
            )


def _eager(module: torch.nn.Module, workload: Workload) -> tuple[Callable[[], object], Callable[[], object]]:
    runner = load_runtime("eager").prepare(Model(module), workload)
    return lambda: _passes(runner, workload, contextlib.nullcontext()), lambda: _passes(
        runner, workload, freed_memory_kept()
    )


def _openvino(module: torch.nn.Module, workload: Workload) -> tuple[Callable[[], object], Callable[[], object]]:
    runtime = load_runtime("openvino")
    with patch.object(openvino_cpu, "_SMALL_WEIGHTS", -1):
        whole = runtime.prepare(Model(module), workload)
    parts = runtime.prepare(Model(module), workload)
    return (
        lambda: _passes(whole, workload, contextlib.nullcontext()),
        lambda: _passes(parts, workload, contextlib.nullcontext()),
    )


def _passes(runner: Runner, workload: Workload, memory: contextlib.AbstractContextManager[None]) -> None:
    with memory, torch.inference_mode():
        for _ in range(PASSES):
            runner.run(workload.example)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--runtimes", nargs="+", default=("eager", "openvino"))
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--pairs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
