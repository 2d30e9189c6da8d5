"""What the plugin costs where it is not used, and how long the main job takes, cold and warm.

``python benchmarks/startup.py`` times whole commands in a new folder: a suite of one empty test with and without the
plugin, in turn; then the bundled suite on the embedded data, first with an empty store, then with a full one. The last
line is how often the warm run is as fast as the cold one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from paired import seconds

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        times = [
            (_run(work, "test_nothing.py", "-p", "no:robustness"), _run(work, "test_nothing.py")) for _ in range(pairs)
        ]
        print(f"an unrelated suite: {1000 * statistics.median(b - a for a, b in times):.0f} ms more with the plugin")
        imports = seconds(lambda: subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True))
        print(f"import torch, torchvision: {imports:.1f} s")
        suite = ("--pyargs", "robustness_tests")
        cold = _run(work, *suite)
        warm = statistics.median(_run(work, *suite) for _ in range(3))
        print(f"main job: {cold:.1f} s cold, {warm:.1f} s warm")
    print(f"ratio: {cold / warm:.2f}")


def _run(folder: Path, *arguments: str) -> float:
    return seconds(lambda: subprocess.run([*PYTEST, *arguments], cwd=folder, capture_output=True, check=False))


if __name__ == "__main__":
    main()
