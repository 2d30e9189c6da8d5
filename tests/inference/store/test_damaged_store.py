"""Whatever happens to a store's bytes, it gives the figures that were written, or lacks them, or refuses."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_robustness.core import ClassLabel, EngineUsed
from pytest_robustness.core.errors import StoreError
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result, Store, StoredSelection
from tests.identities import identified
from tests.stored import predictions

if TYPE_CHECKING:
    from pathlib import Path

OUTCOMES = {"refused", "lacks some", "whole"}
FLIPS = 500
VALUES = 200
IMAGES, CELLS, BLOCKS = 90, 6, 3
LABELS = np.arange(IMAGES) % 4
OUTPUTS = (0, 1, 2, 3)
SELECTION = StoredSelection("photos", tuple(ClassLabel(n, n) for n in "abcd"), LABELS, identified(range(IMAGES)))


def answers(cell: int) -> np.ndarray:
    return np.random.default_rng(cell).integers(0, 1000, IMAGES)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "intact.sqlite"
    with contextlib.closing(Store(path)) as store:
        store.put_selection("data", SELECTION)
        store.announce(CELLS, CELLS * IMAGES)
        store.put_unreadable(b"x" * 16, "pillow", "it is damaged")
        for part in np.array_split(np.arange(IMAGES), BLOCKS):
            block = Block(SELECTION.images[part], LABELS[part].astype(np.int32))
            engine = EngineUsed("eager", "fp32")
            store.put([Result(f"{c}" * 64, {}, engine, block, predictions(answers(c)[part])) for c in range(CELLS)])
    return path


def outcome(path: Path) -> str:
    """Use a store as a run does; return whether it refused, or what it gave."""
    try:
        with contextlib.closing(Store(path)) as store:
            assert set(store.unreadable("pillow")) <= {b"x" * 16}
            cells = StoredCells(store, SELECTION.images, SELECTION.labels)
            found = [cells.predictions(f"{cell}" * 64, OUTPUTS) for cell in range(CELLS)]
            store.put_selection("data", SELECTION)
            assert store.selection("data").labels.tolist() == LABELS.tolist()
    except StoreError as error:
        return "refused" if "--robustness-store=FILE" in str(error) else f"refused without a way out: {error}"
    missing = 0
    for cell, one in enumerate(found):
        held = one.predicted >= 0
        missing += int((~held).sum())
        assert (one.predicted[held] == answers(cell)[held]).all(), "other figures"
        assert (one.confidence[held] == 1).all()
        assert (one.true_probability[held] == 0).all()
        assert (one.rank[held] == 0).all()
    return "lacks some" if missing else "whole"


def test_an_intact_store_is_whole(intact):
    assert outcome(intact) == "whole"


@pytest.mark.slow
def test_a_flipped_bit_gives_no_other_figure(intact, tmp_path):
    content, rng, seen = intact.read_bytes(), np.random.default_rng(0), []
    for _ in range(FLIPS):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path = tmp_path / "flipped.sqlite"
        path.write_bytes(damaged)
        seen.append(outcome(path))
        for left in tmp_path.iterdir():
            left.unlink()
    assert set(seen) == OUTCOMES  # the flips hit rows, structure, and what nobody reads


def test_another_value_in_a_column_gives_no_other_figure(intact, tmp_path):
    """A row's value becomes one of another type or length, another row's value, or nothing."""
    rng = np.random.default_rng(1)
    columns = {
        "selection": ("name", "classes", "labels", "images", "checksum", "fingerprint"),
        "cell": ("id", "key", "description"),
        "block": ("id", "size", "images", "targets", "checksum"),
        "prediction": ("cell", "block", "engine", "rows", "checksum"),
        "unreadable": ("image", "decoder", "reason", "checksum"),
    }
    values = [
        "''",
        "x''",
        "17",
        "-1",
        "2.5",
        "'\u202e'",
        "CAST(x'ff' AS TEXT)",
        "randomblob(33)",
        "x'00'",
        "9223372036854775807",
    ]
    done = 0
    while done < VALUES:
        table = list(columns)[rng.integers(len(columns))]
        column = columns[table][rng.integers(len(columns[table]))]
        others = [f"(SELECT {column} FROM {table} ORDER BY random() LIMIT 1)", f"substr({column}, 1, 3)"]
        value = [*values, *others][rng.integers(len(values) + 2)]
        path = tmp_path / f"{done}.sqlite"
        path.write_bytes(intact.read_bytes())
        row = f"rowid = (SELECT rowid FROM {table} ORDER BY random() LIMIT 1)"
        with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.IntegrityError):
            connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {row}")
            connection.commit()
            done += 1
            assert outcome(path) in OUTCOMES
        path.unlink()


@pytest.mark.parametrize("length", [0, 1, 99, 100, 4095, 4096, 5000, 12_288])
def test_a_shortened_file_gives_no_other_figure(intact, tmp_path, length):
    path = tmp_path / "short.sqlite"
    path.write_bytes(intact.read_bytes()[:length])
    assert outcome(path) in OUTCOMES
