"""What ``--robustness-plan`` predicts against what the run then takes, for three jobs on a new store.

``python benchmarks/forecast.py --data ../shared/data`` runs each job ``--pairs`` times, the forecast and then the run,
each in a process of its own: the embedded digits with their twelve models; CIFAR-10's ResNet-20 and ResNet-56 on 600
images; SqueezeNet 1.0 on 200 photographs. Without the folder the digits alone are run. Predicted and measured is the
time of the sweep, loading the models included: ``sweep_seconds`` of ``results.json``. The last line has the
ratio that is farthest from 1, of the medians over the pairs.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CIFAR = ROOT / "tests" / "real" / "cifar_resnets.py"
SQUEEZENET = "squeezenet1_0-deep-compression.safetensors"
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def jobs(data: Path | None, folder: Path) -> dict[str, list[str]]:
    """Return the options of each job; what they need is extracted into ``folder``."""
    found = {"digits, 12 models": []}
    if data is None:
        return found
    with tarfile.open(data / "cifar10-jpeg-test.tar") as archive:
        archive.extractall(folder / "cifar", filter="data")
    models = ",".join(f"python:{CIFAR}:{name}" for name in ("resnet20", "resnet56"))
    found["CIFAR-10, 2 models"] = [
        f"--robustness-data=folder:{folder / 'cifar'}",
        f"--robustness-models={models}",
        "--robustness-limit=60",
    ]
    few = folder / "photographs"
    few.mkdir()
    classes = sorted(path.name for path in (data / "imagenet-sample").iterdir() if path.is_dir())
    for wnid in classes[:200]:
        (few / wnid).symlink_to(data / "imagenet-sample" / wnid)
    net = NET.format(weights=data / "models" / SQUEEZENET, classes=classes)
    (folder / "net.py").write_text(net, encoding="utf-8")
    found["photographs, SqueezeNet 1.0"] = [
        f"--robustness-data=folder:{few}",
        f"--robustness-models=python:{folder / 'net.py'}:squeezenet",
    ]
    return found


NET = """
from safetensors.torch import load_file
from torchvision.models import squeezenet1_0

from pytest_robustness import Model, Preprocess

def squeezenet():
    module = squeezenet1_0()
    module.load_state_dict(load_file("{weights}"))
    return Model(module, Preprocess(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), {classes!r})
"""


def suite(folder: Path, *arguments: str) -> str:
    """Run the suite in ``folder`` and return what it printed."""
    command = [sys.executable, "-m", "pytest", "--pyargs", "robustness_tests", "-q", "--tb=no"]
    command += ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def predicted(text: str) -> float:
    """Return the seconds that a forecast names."""
    found = re.search(r"time to compute: about ([\d.]+) (s|min|h)", text)
    if found is None:
        raise SystemExit(text)
    return float(found[1]) * UNITS[found[2]]


def measured(folder: Path) -> float:
    """Return the seconds that the sweep of the latest run took."""
    results = json.loads((folder / "reports" / "latest" / "results.json").read_text(encoding="utf-8"))
    return float(results["provenance"]["sweep_seconds"])


def main() -> None:
    """Print each pair, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of real images and models; without it the digits alone")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    shared = [f"-n{options.processes}"] if options.processes > 1 else []
    ratios: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for job, arguments in jobs(options.data and options.data.resolve(), Path(name)).items():
            for pair in range(options.pairs):
                folder = Path(name) / f"{len(ratios)}-{pair}"
                folder.mkdir()
                before = predicted(suite(folder, "--robustness-plan", *shared, *arguments))
                suite(folder, *shared, *arguments)
                after = measured(folder)
                ratios.setdefault(job, []).append(before / after)
                print(
                    f"{job}: predicted {before:.1f} s, measured {after:.1f} s, ratio {before / after:.2f}", flush=True
                )
    medians = {job: statistics.median(found) for job, found in ratios.items()}
    for job, ratio in medians.items():
        print(f"{job}: median of {options.pairs}: {ratio:.2f}")
    print(f"ratio: {max(medians.values(), key=lambda ratio: abs(ratio - 1)):.2f}")


if __name__ == "__main__":
    main()
