"""``pytest -n N`` against a plain ``pytest``, on the same cores: whole commands, in turn.

``python benchmarks/processes.py`` judges the twelve embedded models on many copies of the embedded digits, as PNG
files, each time with a new store. Plain and with N processes the machine's cores are all in use: N processes share
them. The last line is how often -n N is as fast. It fails when the two do not write the same ``accuracy.csv``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from paired import compare
from PIL import Image

from pytest_robustness import data


def main() -> None:
    """Print every pair and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=2, help="processes")
    parser.add_argument("--copies", type=int, default=12, help="of each of the 898 digits")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_digits(work / "images", options.copies)
        tables: dict[str, bytes] = {}
        workers = f"-n{options.n}"

        def plain() -> None:
            tables["plain"] = judge(work)

        def shared() -> None:
            tables[workers] = judge(work, workers)

        ratio = compare(options.pairs, ("plain", plain), (workers, shared))
        if tables["plain"] != tables[workers]:
            raise SystemExit("The two wrote different tables.")
    print(f"ratio: {ratio:.2f}")


def write_digits(folder: Path, copies: int) -> None:
    """Write ``copies`` PNG files of each embedded digit, in a folder per class."""
    source = data.open_source("digits", download=False)
    for index, label in enumerate(source.labels):
        image = Image.fromarray(source.read(index).permute(1, 2, 0).numpy())
        for copy in range(copies):
            path = folder / str(label) / f"{index:04}-{copy:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def judge(work: Path, *arguments: str) -> bytes:
    """Run the bundled suite on the images in ``work`` with a new store; return the table of accuracies."""
    new = Path(tempfile.mkdtemp(dir=work))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "robustness_tests"]
    command += ["--robustness-models=digits12", f"--robustness-data=folder:{work / 'images'}"]
    command += [f"--robustness-store={new / 'store.sqlite'}", f"--robustness-report={new / 'report'}", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # 1: there are findings
        raise SystemExit(done.stdout + done.stderr)
    return (new / "report" / "accuracy.csv").read_bytes()


if __name__ == "__main__":
    main()
