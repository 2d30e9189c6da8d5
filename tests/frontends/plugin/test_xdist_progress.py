"""The controller of xdist shows how far the workers are: it reads the store that they fill."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

import numpy as np
import pytest

from pytest_robustness.core import EngineUsed, Shard
from pytest_robustness.frontends.plugin import xdist_progress
from pytest_robustness.frontends.plugin.xdist_progress import SharedProgress
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result, Store
from pytest_robustness.inference.sweep.shared_sweep import SharedSweeps
from tests.identities import identified
from tests.stored import predictions

SHARDS = [Shard(0, 4), Shard(4, 8), Shard(8, 10)]
ENGINE = EngineUsed("eager", "fp32")


class Recorded:
    """A progress that keeps what it is asked to show."""

    def __init__(self):
        self.events: list[tuple[object, ...]] = []

    def start(self, images, cells):
        self.events.append(("start", images, cells))

    def advance(self, images):
        self.events.append(("advance", images))

    def note(self, message):
        self.events.append(("note", message))

    def stop(self):
        self.events.append(("stop",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a b#?.sqlite"


@pytest.fixture
def store(path):
    """What a worker has: a store, in which it announces cells and commits shards of ten images."""
    with contextlib.closing(Store(path)) as opened:
        yield opened


@pytest.fixture
def recorded():
    return Recorded()


def announce(store, *keys, images=10):
    """Announce a sweep that lacks ``images`` images of each cell."""
    store.announce(len(keys), images * len(keys))


def commit(store, shard, *keys):
    rows = range(*shard)
    block = Block(identified(rows), np.zeros(len(rows), np.int32))
    store.put([Result(key, {}, ENGINE, block, predictions([0] * len(rows))) for key in keys])


def test_images_are_counted_that_were_missing_at_the_start(path, store, recorded):
    announce(store, "a", "b", "older")
    commit(store, SHARDS[0], "a", "b", "older")
    shown = SharedProgress(path, lambda: recorded)
    shown.look()
    assert recorded.events == []
    for _ in range(2):  # both workers announce what they need
        announce(store, "a", "b", images=6)
    shown.look()
    commit(store, SHARDS[1], "a", "b")
    shown.look()
    shown.look()
    commit(store, SHARDS[2], "a", "b")
    shown.look()
    shown.look()
    assert recorded.events == [("start", 6, 2), ("advance", 4), ("advance", 2), ("stop",)]


def test_a_store_whose_cells_are_finished_shows_nothing(path, store, recorded):
    announce(store, "a")
    for shard in SHARDS:
        commit(store, shard, "a")
    shown = SharedProgress(path, lambda: recorded)
    shown.look()
    assert recorded.events == []


def test_a_sweep_after_an_older_one_is_seen(path, store, recorded):
    announce(store, "a", "z")
    shown = SharedProgress(path, lambda: recorded)
    announce(store, "z")
    shown.look()
    assert recorded.events == [("start", 10, 1)]


def test_a_cell_that_fails_does_not_hold_up_the_others(path, store, recorded):
    shown = SharedProgress(path, lambda: recorded)
    announce(store, "a", "broken")
    shown.look()
    for shard in SHARDS:
        commit(store, shard, "a")
        shown.look()
    # What one of two cells has counts half. The sweep ends without the other one.
    shown.sweep_ended()
    shown.look()
    assert recorded.events == [("start", 10, 2), ("advance", 2), ("advance", 2), ("advance", 1), ("stop",)]


def test_a_sweep_that_ends_early_is_shown_no_more_and_a_later_one_starts_at_nothing(path, store, recorded):
    shown = SharedProgress(path, lambda: recorded)
    announce(store, "a")
    shown.look()
    commit(store, SHARDS[0], "a")
    shown.sweep_ended()
    shown.look()
    assert recorded.events == [("start", 10, 1), ("advance", 4), ("stop",)]
    recorded.events.clear()
    shown.look()
    announce(store, "unplanned")
    shown.look()
    commit(store, SHARDS[2], "unplanned")
    shown.look()
    assert recorded.events == [("start", 10, 1), ("advance", 2)]


def test_a_store_that_does_not_exist_yet_is_awaited(path, recorded):
    shown = SharedProgress(path, lambda: recorded)
    shown.look()
    with contextlib.closing(Store(path)) as store:
        announce(store, "a")
        shown.look()
    assert recorded.events == [("start", 10, 1)]


@pytest.mark.parametrize("content", [b"", b"no store, but longer than the header of a SQLite file " * 9])
def test_a_file_that_is_no_store_shows_nothing_and_stays_as_it_is(path, recorded, content):
    path.write_bytes(content)
    shown = SharedProgress(path, lambda: recorded)
    shown.look()
    assert recorded.events == []
    assert path.read_bytes() == content


def test_a_locked_store_is_read_once_it_is_free(path, store, recorded, monkeypatch):
    monkeypatch.setattr("pytest_robustness.inference.sweep.shared_sweep._BUSY_SECONDS", 0.01)
    announce(store, "a")
    store.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        sweeps = SharedSweeps(path)
        assert sweeps.current() is None
        other.execute("COMMIT")
        assert sweeps.current() == (0, 0, 0)
        other.execute("INSERT INTO sweep (cells, predictions) VALUES (1, 10)")
        assert sweeps.current() == (1, 10, 0)


def test_a_reader_sees_a_store_that_a_process_is_writing_to(path, store):
    sweeps = SharedSweeps(path)
    announce(store, "a")
    store.file.connection.execute("BEGIN IMMEDIATE")
    try:
        assert sweeps.current() == (1, 10, 0)
    finally:
        store.file.connection.execute("ROLLBACK")


def test_the_watcher_looks_by_itself_and_once_more_at_the_end(path, store, recorded, monkeypatch):
    monkeypatch.setattr(xdist_progress, "_SECONDS", 0.01)
    started = threading.Event()
    recorded.start = lambda *args: (Recorded.start(recorded, *args), started.set())
    shown = SharedProgress(path, lambda: recorded)
    shown.start()
    announce(store, "a")
    assert started.wait(30)
    monkeypatch.setattr(xdist_progress, "_SECONDS", 60)
    commit(store, SHARDS[0], "a")
    shown.stop()
    assert recorded.events == [("start", 10, 1), ("advance", 4), ("stop",)]
    assert not shown._thread.is_alive()


def test_a_note_is_shown_with_or_without_a_sweep(path, store, recorded):
    shown = SharedProgress(path, lambda: recorded)
    shown.note("first")
    announce(store, "a")
    shown.look()
    shown.note("second")
    assert recorded.events == [("note", "first"), ("start", 10, 1), ("note", "second")]


def test_what_was_counted_is_not_read_again(path, store):
    sweeps = SharedSweeps(path)
    announce(store, "a", "b")
    done = []
    for shard in SHARDS:
        commit(store, shard, "a", "b")
        done.append(sweeps.current().done)
        # Were it looked at again, it would count more: a look took as long as the sweep was.
        store.file.connection.execute("UPDATE block SET size = 1000")
        done.append(sweeps.current().done)
    assert done == [4, 4, 8, 8, 10, 10]
