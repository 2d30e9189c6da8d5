"""A store is one for all threads, whichever opened it: each asks, writes and closes it, and none is in the way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_robustness.core import ClassLabel, EngineUsed, Predictions
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result, Store, StoredSelection
from tests.identities import identified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def in_a_thread(do: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result(timeout=60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = in_a_thread(lambda: Store(tmp_path / "store.sqlite"))
    yield opened
    opened.close()


def result(key: str, first: int) -> Result:
    images = identified(range(first, first + 4))
    rows = Predictions(*(np.full(4, first, kind) for kind in (np.int32, *3 * [np.float32], np.int32)))
    return Result(key, {"model": key}, EngineUsed("eager", "fp32"), Block(images, np.zeros(4, np.int32)), rows)


USES: dict[str, Callable[[Store], Any]] = {
    "put": lambda store: store.put([result("key", 0)]),
    "read": lambda store: len(store.read("key")),
    "block": lambda store: [store.block(found).images.tolist() for found in store.read("key")],
    "remember": lambda store: store.remember("name", "content"),
    "recall": lambda store: store.recall("name"),
    "put_selection": lambda store: store.put_selection(
        "print", StoredSelection("data", (ClassLabel("a", "a"),), np.zeros(3, np.int64), identified(range(3)))
    ),
    "selection": lambda store: store.selection("print").name,
    "announce": lambda store: store.announce(1, 2),
    "put_unreadable": lambda store: store.put_unreadable(b"image", "decoder", "reason"),
    "unreadable": lambda store: store.unreadable("decoder"),
    "forget": lambda store: store.forget(lambda *_: True),
    "close": lambda store: store.close(),
}


def test_every_use_is_open_to_a_thread_that_did_not_open_it(store, tmp_path):
    other = Store(tmp_path / "other.sqlite")
    for name, use in USES.items():
        assert in_a_thread(lambda use=use: use(other)) == use(store), name
    assert set(USES) == {name for name in vars(Store) if not name.startswith("_")} - {"path"}


def test_what_another_thread_writes_is_no_part_of_a_transaction_that_is_taken_back(store):
    begun, end = threading.Event(), threading.Event()

    def fail() -> None:
        with store.file.transaction():
            store.file.connection.execute("INSERT INTO sweep (cells, predictions) VALUES (1, 1)")
            begun.set()
            assert end.wait(60)
            raise ZeroDivisionError

    with ThreadPoolExecutor(3) as pool:
        failed = pool.submit(fail)
        assert begun.wait(60)
        others = [pool.submit(store.remember, "name", "content"), pool.submit(store.read, "key")]
        assert not any(other.done() for other in others)
        end.set()
        with pytest.raises(ZeroDivisionError):
            failed.result(timeout=60)
        assert [other.result(timeout=60) for other in others] == [None, []]
    assert store.recall("name") == "content"
    count = "SELECT count(*) FROM sweep"
    assert store.file.connection.execute(count).fetchone() == (0,)


def test_threads_that_read_and_write_at_once_find_what_each_has_written(store):
    def work(number: int) -> list[int]:
        key = f"key {number % 3}"
        for step in range(12):
            store.put([result(key, 100 * number + step)])
            store.remember(f"{number} {step}", key)
            assert store.recall(f"{number} {step}") == key
        return [int(found.predictions.predicted[0]) for found in store.read(key)]

    with ThreadPoolExecutor(6) as pool:
        found = [*pool.map(work, range(6))]
    expected = {100 * number + step for number in range(6) for step in range(12)}
    for number, predicted in enumerate(found):
        assert {100 * number + step for step in range(12)} <= set(predicted)
    read = [found for key in range(3) for found in store.read(f"key {key}")]
    assert sorted(int(each.predictions.predicted[0]) for each in read) == sorted(expected)
    assert store.damaged == 0
