"""One data-centre GPU, in seven minutes: its tests, forward only and sweep, decoders, transforms, and where time goes.

``PYTHONPATH=plugin python benchmarks/gpu.py --out gpu.json`` installs nothing and downloads nothing: models have random
weights, images are JPEG files of ImageNet's usual size. Each part has a share of ``--minutes``; a part that finds its
time spent, or a package missing, says so and the next one goes on. The JSON is written after every part, so that one
that was interrupted has what was measured until then. ``--dry-run`` takes the same way in a minute, on a CPU, with tiny
models and few images: its figures say nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.process import limit_openmp_spin

limit_openmp_spin()  # before PyTorch is imported, as in a run of pytest

# ruff: noqa: E402
import torch
import torchvision
from decoders import feeding_rate, rates
from gpu_report import report
from gpu_tests import run_tests
from gpu_workload import PACE, DryPace, Pace, Workbench, measure
from paired import seconds
from sweep import write_images
from torchvision.models import get_model
from transforms import ours

from pytest_robustness.inference.device import resolve_device
from pytest_robustness.models.presets import ARTICLE_MODELS
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
TIME_UP = "not measured: the time was up"
NO_GPU = "not measured: no CUDA device"
# Seconds that a part may run over before it is interrupted: its loops end by themselves.
GRACE = 15.0


@dataclasses.dataclass
class Bench:
    """What all parts share: where they run, how large they are, and what they leave for later parts."""

    device: torch.device
    dry: bool
    pace: Pace
    folder: Path
    workers: int | None
    deadline: float = 0.0
    runners: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def images(self) -> Path:
        """The folder of image files, written when it is first asked for."""
        folder = self.folder / "images"
        if not folder.exists():
            write_images(folder, self.pace.files)
        return folder

    @property
    def seconds_left(self) -> float:
        """The time until the part at work must end."""
        return self.deadline - time.monotonic()


def tests(bench: Bench) -> dict[str, Any] | str:
    """Run ``tests/gpu``."""
    return run_tests(ROOT, bench.seconds_left)


def decoding(bench: Bench) -> dict[str, Any]:
    """Measure the decoders, and what the sweep's loader brings to the device."""
    cores = max(1, (os.cpu_count() or 2) - 1)
    files = [path.read_bytes() for path in sorted(bench.images.rglob("*.jpg"))]
    found: dict[str, Any] = dict(rates(files, bench.device, cores, bench.pace.least_seconds))
    workbench = Workbench(_modules(bench, ("resnet18",)), bench.images, bench.folder, "eager", bench)
    for workers in sorted({1, cores}):
        size = bench.pace.loader_batch
        workbench.take(size * max(4, 3 * workers))
        name = f"the sweep's loader, {workers} {'process' if workers == 1 else 'processes'}, onto {bench.device.type}"
        found[name] = feeding_rate(workbench.selection, workbench.jobs[:1], bench.device, workers, size)
        if bench.seconds_left < 0:
            break
    return found


def transforms(bench: Bench) -> dict[str, float]:
    """Measure images per second of each transform, in batches as the sweep has them."""
    images = torch.randint(0, 256, (bench.pace.batch, 3, 256, 256), dtype=torch.uint8, device=bench.device)
    found = {}
    for name in builtin().names():
        work = ours(images, name)

        def several(work: Callable[[], object] = work) -> None:
            for _ in range(bench.pace.repeats):
                work()
            if bench.device.type == "cuda":
                torch.cuda.synchronize(bench.device)

        several()
        found[name] = bench.pace.repeats * len(images) / min(seconds(several) for _ in range(3))
    return found


def one_model(runtime: str) -> Callable[[Bench], dict[str, Any]]:
    """Return the part that measures one ResNet-18 alone."""
    return lambda bench: _workload(bench, ("resnet18",), runtime)


def twelve(runtime: str) -> Callable[[Bench], dict[str, Any]]:
    """Return the part that measures the article's twelve architectures."""
    return lambda bench: _workload(bench, ARTICLE_MODELS, runtime)


# Each with its share of the time; what one does not need, the later ones have.
PARTS: tuple[tuple[str, float, Callable[[Bench], Any]], ...] = (
    ("tests/gpu", 0.20, tests),
    ("decoding", 0.07, decoding),
    ("transforms", 0.03, transforms),
    ("resnet18, compile", 0.15, one_model("compile")),
    ("resnet18, eager", 0.10, one_model("eager")),
    ("imagenet12, compile", 0.30, twelve("compile")),
    ("imagenet12, eager", 0.15, twelve("eager")),
)


def main() -> int:
    """Run the parts, write the JSON after each, print the tables; return the exit code."""
    options = _options()
    if not torch.cuda.is_available() and not options.dry_run:
        print("PyTorch finds no CUDA device here, so that nothing is measured. --dry-run tries the script on a CPU.")
        return 2
    # Of the whole, some seconds have gone into imports, and some are kept for the last lines.
    ends = time.monotonic() + 60 * options.minutes - GRACE
    found: dict[str, Any] = {"machine": machine(), "dry_run": options.dry_run, "parts": {}, "errors": {}}
    with tempfile.TemporaryDirectory() as folder:
        device = resolve_device("cpu" if options.dry_run else "cuda")
        pace = DryPace() if options.dry_run else PACE
        bench = Bench(device, options.dry_run, pace, Path(folder), options.workers)
        interrupted = _run_parts(bench, found, ends, options)
    print(report(found))
    print(f"written to {options.out}")
    if interrupted:
        return 130
    return 1 if found["errors"] else 0


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    gpu = torch.cuda.is_available()
    return {
        "gpu": torch.cuda.get_device_name() if gpu else NO_GPU,
        "cuda": torch.version.cuda if gpu else NO_GPU,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def _run_parts(bench: Bench, found: dict[str, Any], ends: float, options: argparse.Namespace) -> bool:
    """Run every part within its share of the time until ``ends``; return whether the user interrupted."""
    begun, total = time.monotonic(), ends - time.monotonic()
    shares = 0.0
    interrupted = False
    for name, share, part in PARTS:
        shares += share
        bench.deadline = min(ends, begun + shares * total)
        if options.parts and name not in options.parts:
            found["parts"][name] = "not measured: left out by --parts"
        elif interrupted or bench.seconds_left < share * total / 4:
            found["parts"][name] = "not measured: interrupted" if interrupted else TIME_UP
        else:
            print(f"{name}: at most {bench.seconds_left:.0f} s", flush=True)
            interrupted = _run_part(name, part, bench, found)
        found["seconds"] = time.monotonic() - begun
        _write(options.out, found)
    return interrupted


def _run_part(name: str, part: Callable[[Bench], Any], bench: Bench, found: dict[str, Any]) -> bool:
    """Run one part, whose failure is noted and ends no other; return whether the user interrupted it."""
    late = False

    def interrupt(_: int, __: FrameType | None) -> None:
        nonlocal late
        late = True
        signal.raise_signal(signal.SIGINT)  # as Ctrl-C does: the sweep takes any other exception for a model's own

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(1.0, bench.seconds_left + GRACE / 2))
    try:
        found["parts"][name] = part(bench)
    except KeyboardInterrupt:
        found["parts"][name] = TIME_UP if late else "not measured: interrupted"
        return not late
    except Exception as error:
        found["errors"][name] = traceback.format_exc()
        found["parts"][name] = f"not measured: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        print(found["parts"][name], flush=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
    return False


def _workload(bench: Bench, names: tuple[str, ...], runtime: str) -> dict[str, Any]:
    modules = _modules(bench, names)
    workbench = Workbench(modules, bench.images, bench.folder, runtime, bench)
    if runtime == "compile":
        workbench.runners.update({name: ready for name, ready in bench.runners.items() if name in modules})
    found = measure(workbench, bench)
    if runtime == "compile":
        bench.runners.update(workbench.runners)
    return found


def _modules(bench: Bench, names: tuple[str, ...]) -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    with bench.device:
        if bench.dry:
            # Of the twelve a new one, and the one that was measured alone: what runs it is used again.
            return {name: _tiny().eval() for name in dict.fromkeys(("resnet18", names[0]))}
        return {name: get_model(name, weights=None).eval() for name in names}


def _tiny() -> torch.nn.Module:
    layers = [torch.nn.Conv2d(3, 8, 7, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(8, 1000))


def _write(path: Path, found: dict[str, Any]) -> None:
    """Write the JSON in one step: whoever reads it meanwhile, or interrupts, has a whole one."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(found, indent=2), encoding="utf-8")
    part.replace(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=7.0, help="the whole ends within so many")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the JSON file")
    parser.add_argument("--dry-run", action="store_true", help="tiny models and few images, on the CPU")
    parser.add_argument("--workers", type=int, default=None, help="decoding processes of the sweep")
    parser.add_argument("--parts", nargs="+", choices=[name for name, _, _ in PARTS], help="these alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
