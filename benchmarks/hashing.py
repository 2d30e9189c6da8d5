"""Measure what hashing every image again costs, as on Windows, against asking for its status and against decoding it.

``python benchmarks/hashing.py --files 2000``
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pytest_robustness.core import file_hashes
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data.decoding.decode import decode


def photograph(seed: int) -> bytes:
    """Return a JPEG file of 500 x 375 pixels, as large as those of ImageNet: about 110 kB."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (25, 34, 3), dtype=np.uint8)
    noise = rng.normal(0, 18, (375, 500, 3))
    pixels = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)) + noise
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def timed(root: Path, names: list[bytes], memory: Path | None) -> float:
    """Return the seconds that the hashes of all files take."""
    started = time.perf_counter()
    FileHashes(memory).digests(root, names)
    return time.perf_counter() - started


def main() -> None:
    """Time the three in turn, and print the medians and the ratio of hashing to decoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    file_hashes._SETTLED_NANOSECONDS = -1
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        kinds = [photograph(seed) for seed in range(20)]
        names = [f"{number}.jpg".encode() for number in range(options.files)]
        for number, name in enumerate(names):
            (root / os.fsdecode(name)).write_bytes(kinds[number % 20])
        timed(root, names, root / "memory")
        hashed, asked, decoded = [], [], []
        for _ in range(options.rounds):
            hashed.append(timed(root, names, None))
            asked.append(timed(root, names, root / "memory"))
            started = time.perf_counter()
            for number in range(200):
                decode(kinds[number % 20], "x.jpg")
            decoded.append((time.perf_counter() - started) * options.files / 200 / (os.cpu_count() or 1))
    size = sum(map(len, kinds)) / len(kinds) / 1000
    print(f"{options.files:,} files of {size:.0f} kB on average, {os.cpu_count()} cores, all in the system's memory")
    for name, seconds in (("hashed", hashed), ("asked for their status", asked), ("decoded", decoded)):
        print(f"{name}: {statistics.median(seconds) / options.files * 1e6:,.0f} microseconds each")
    print(f"ratio: {statistics.median(h / d for h, d in zip(hashed, decoded, strict=True)):.3f}")


if __name__ == "__main__":
    main()
