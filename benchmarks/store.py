"""Measure the store: bytes a prediction, time to write, and time of a warm run to see that nothing is missing.

Run ``python benchmarks/store.py [images] [cells]``; by default a tenth of ImageNet's training images under 120 cells.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pytest_robustness.core import EngineUsed, Predictions
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result, Store

SHARD = 512
OUTPUTS = tuple(range(1000))


def predictions(rng: np.random.Generator, images: int) -> Predictions:
    """Return random predictions, which do not compress."""
    whole = rng.integers(0, 1000, (2, images)).astype(np.int32)
    shares = rng.random((3, images)).astype(np.float32)
    return Predictions(whole[0], *shares, whole[1])


def written_before(folder: Path, images: int, cells: int) -> int:
    """Return the size in bytes of schema 2: 12 bytes a prediction in one row a shard and cell."""
    path = folder / "before.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE shard (key TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, predicted BLOB "
            "NOT NULL, confidence BLOB NOT NULL, true_probability BLOB NOT NULL, engine TEXT NOT NULL, "
            "PRIMARY KEY (key, start, stop))"
        )
        for start in range(0, images, SHARD):
            stop = min(start + SHARD, images)
            blob = bytes(4 * (stop - start))
            rows = [(f"{cell:064}", start, stop, blob, blob, blob, "eager/fp32") for cell in range(cells)]
            connection.executemany("INSERT INTO shard VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return path.stat().st_size


def main() -> None:
    """Print what is measured."""
    images, cells = (int(value) for value in (*sys.argv[1:], *("128000", "120")[len(sys.argv) - 1 :]))
    rng = np.random.default_rng(0)
    identities = np.frombuffer(rng.bytes(16 * images), "V16")
    labels = rng.integers(0, 1000, images)
    keys = [f"{cell:064}" for cell in range(cells)]
    with tempfile.TemporaryDirectory() as name:
        before = written_before(Path(name), images, cells)
        path, started = Path(name, "store.sqlite"), time.perf_counter()
        with contextlib.closing(Store(path)) as store:
            for start in range(0, images, SHARD):
                part = slice(start, start + SHARD)
                block = Block(identities[part], labels[part].astype(np.int32))
                values = predictions(rng, len(block.images))
                store.put([Result(key, {}, EngineUsed("eager", "fp32"), block, values) for key in keys])
        wrote = time.perf_counter() - started
        size = path.stat().st_size
        started = time.perf_counter()
        with contextlib.closing(Store(path)) as store:
            stored = StoredCells(store, identities, labels)
            for key in keys:
                stored.update(key, OUTPUTS)
                assert stored.present(key, OUTPUTS).all()
        looked = time.perf_counter() - started
    each, count = size / images / cells, images * cells
    print(f"{images:,} images x {cells} cells: {size / 1e9:.2f} GB, {each:.2f} bytes a prediction")
    print(f"schema 2 took {before / count:.2f} bytes: ratio {size / before:.2f}")
    print(f"1.28 million images x 120 cells would take {each * 1.28e6 * 120 / 1e9:.2f} GB")
    print(f"written in {wrote:.1f} s ({count / wrote / 1e6:.1f} million a second), looked through in {looked:.1f} s")


if __name__ == "__main__":
    main()
