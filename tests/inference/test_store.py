"""The store returns what was put in, and refuses what it cannot use."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_robustness.core import ClassLabel, EngineUsed, Predictions, Shard
from pytest_robustness.errors import StoreError
from pytest_robustness.inference.store import SCHEMA_VERSION, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "folder" / "store.sqlite")
    opened.put_dataset("data", "photos", [ClassLabel("n1", "tench")], np.zeros(10, np.int64))
    opened.put_cells("data", {"key": {"model": "a"}, "other": {"model": "b"}})
    yield opened
    opened.close()


def predictions(size: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(
        rng.integers(-1, 1000, size).astype(np.int32),
        rng.random(size).astype(np.float32),
        rng.random(size).astype(np.float32),
    )


def same(left: Predictions | None, right: Predictions) -> bool:
    return left is not None and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(left, right, strict=True)
    )


@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_what_was_put_in_comes_out_whatever_the_shards_and_their_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, 40))
    whole = Predictions(
        data.draw(hnp.arrays(np.int32, size)),
        data.draw(hnp.arrays(np.float32, size)),
        data.draw(hnp.arrays(np.float32, size)),
    )
    cuts = sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=4))})
    shards = data.draw(st.permutations([Shard(*pair) for pair in itertools.pairwise(cuts)]))
    store = Store(tmp_path_factory.mktemp("store") / "s.sqlite")
    store.put_dataset("data", "photos", [], np.zeros(size, np.int64))
    store.put_cells("data", {"key": {}})
    for done, shard in enumerate(shards):
        assert done == 0 or store.get("key", size) is None
        store.put(shard, {"key": Predictions(*(array[shard.start : shard.stop] for array in whole))}, {})
    assert same(store.get("key", size), whole)
    assert store.finished(["key"]) == {"key": set(shards)}
    store.close()


def test_a_dataset_and_a_description_come_back(store: Store) -> None:
    name, classes, labels = store.dataset("data")
    assert (name, classes, labels.tolist()) == ("photos", (ClassLabel("n1", "tench"),), [0] * 10)
    assert store.description("key") == {"model": "a"}
    with pytest.raises(KeyError):
        store.description("absent")


def test_a_shard_is_committed_for_all_its_cells_or_for_none(store: Store) -> None:
    with pytest.raises(ValueError, match="needs 10 rows"):
        store.put(Shard(0, 10), {"key": predictions(10), "other": predictions(9)}, {})
    assert store.finished(["key", "other"]) == {"key": set(), "other": set()}


def test_holders_names_the_cells_that_have_the_shard(store: Store) -> None:
    store.put(Shard(0, 5), {"key": predictions(5)}, {})
    assert store.holders(["key", "other"], Shard(0, 5)) == {"key"}
    assert store.holders(["key", "other"], Shard(0, 4)) == set()


def test_two_connections_see_each_others_shards(store: Store) -> None:
    other = Store(store.path)
    other.put(Shard(0, 10), {"key": predictions(10)}, {})
    assert same(store.get("key", 10), predictions(10))
    other.close()


def test_processes_that_start_together_make_one_store(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            Store(tmp_path / "s.sqlite").close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("version", "age", "remedy"),
    [
        (SCHEMA_VERSION + 1, "a newer", "Upgrade pytest-robustness, or name"),
        (SCHEMA_VERSION - 1, "an older", "Name"),
    ],
)
def test_a_store_of_another_schema_is_refused_and_left_alone(
    tmp_path: Path, version: int, age: str, remedy: str
) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert str(caught.value) == (
        f"{path} was written by {age} pytest-robustness (store schema {version}; this one reads schema "
        f"{SCHEMA_VERSION}). {remedy} another file with --robustness-store=FILE."
    )
    assert path.read_bytes() == before


def test_a_shard_names_the_engine_that_computed_it(store: Store) -> None:
    engines = [EngineUsed("eager", "fp32"), EngineUsed("openvino", "bf16")]
    for start, engine in zip((4, 0), engines, strict=True):
        store.put(Shard(start, start + 4), {"key": predictions(4), "other": predictions(4)}, {"key": engine})
    store.put(Shard(8, 10), {"key": predictions(2)}, {})
    assert store.engines("key") == tuple(engines)
    assert store.engines("other") == ()


def test_a_damaged_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"is damaged, or is no store .*--robustness-store=FILE, or move this"):
        Store(path)
    assert path.read_bytes() == b"no database at all" * 100


def test_damage_inside_the_file_is_reported_when_it_is_read(store: Store) -> None:
    store.put(Shard(0, 10), {"key": predictions(10)}, {})
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    store.path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="is damaged"):
        Store(store.path).get("key", 10)


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a SQLite file, but not a robustness store"):
        Store(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be written .*--robustness-store=FILE"):
        Store(tmp_path / "file" / "s.sqlite")


def test_a_full_disk_keeps_what_was_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(Shard(0, 10), {"key": predictions(10)}, {})
    connect = sqlite3.connect

    def connect_to_full_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_full_disk)
    with contextlib.closing(Store(store.path)) as full:
        with pytest.raises(StoreError, match=r"the disk is full. What was finished is kept; free some space and run"):
            full.put(Shard(0, 100_000), {"other": predictions(100_000)}, {})
        assert same(full.get("key", 10), predictions(10))
