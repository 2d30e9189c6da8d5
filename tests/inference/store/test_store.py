"""The store returns what was put in, image by image, and refuses or leaves out what it cannot trust."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.core import ClassLabel, EngineUsed, Predictions
from pytest_robustness.core.errors import StoreError
from pytest_robustness.inference.store import file as store_file
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.file import SCHEMA_VERSION
from pytest_robustness.inference.store.rows import Block, pack, unpack
from pytest_robustness.inference.store.store import Result, Store, StoredSelection
from tests.identities import identified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

EAGER, OPENVINO = EngineUsed("eager", "fp32"), EngineUsed("openvino", "bf16")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "folder" / "store.sqlite")
    yield opened
    opened.close()


def predictions(size: int, seed: int = 0, outputs: int = 1000) -> Predictions:
    rng = np.random.default_rng(seed)
    shares = rng.random((3, size)).astype(np.float32)
    return Predictions(
        rng.integers(0, outputs, size).astype(np.int32), *shares, rng.integers(0, outputs, size).astype(np.int32)
    )


def block(images: Iterable[int], target: int = 0) -> Block:
    found = identified(images)
    return Block(found, np.full(len(found), target, np.int32))


def result(images: Iterable[int], key: str = "key", engine: EngineUsed = EAGER, seed: int = 0) -> Result:
    images = list(images)
    return Result(key, {"model": "a"}, engine, block(images), predictions(len(images), seed))


def close(left: Predictions, right: Predictions) -> bool:
    whole = all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ("predicted", "rank"))
    parts = ("confidence", "true_probability", "runner_up")
    return whole and all(np.allclose(getattr(left, name), getattr(right, name), rtol=4e-3, atol=0) for name in parts)


@given(
    size=st.integers(1, 300), outputs=st.sampled_from([1, 10, 1000, 65_536, 65_537, 2_000_000]), seed=st.integers(0, 99)
)
def test_predictions_survive_their_row(size: int, outputs: int, seed: int) -> None:
    whole = predictions(size, seed, outputs)
    packed = pack(whole)
    assert len(packed) <= (10 if outputs <= 65_536 else 14) * size
    assert close(unpack(packed, size), whole)


@pytest.mark.parametrize("p", [0.0, 1e-30, 1e-3, 0.5, 0.9, 0.999, 0.99999, 1.0])
def test_a_probability_is_kept_to_a_two_thousandth_of_its_logarithm(p: float) -> None:
    column, whole = np.array([p], np.float32), np.zeros(1, np.int32)
    found = float(unpack(pack(Predictions(whole, column, column, column, whole)), 1).confidence[0])
    expected = float(column[0])
    assert found == pytest.approx(expected, rel=2**-11 * abs(np.log(expected)) + 1e-6) if p else found == 0
    assert (found < 1) == (expected < 1)


@given(data=st.data())
@settings(max_examples=25)
def test_an_image_is_found_in_whatever_company_it_was_computed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any blocks, in any order, of any images; any selection of them, with copies: what was put in comes out."""
    with contextlib.closing(Store(tmp_path_factory.mktemp("store") / "s.sqlite")) as store:
        held: dict[int, int] = {}
        for _ in range(data.draw(st.integers(0, 4))):
            images = data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=12, unique=True))
            answers = data.draw(st.lists(st.integers(0, 9), min_size=len(images), max_size=len(images)))
            column = np.array(answers, np.int32)
            shares = np.full((3, len(images)), 0.5, np.float32)
            store.put([Result("key", {}, EAGER, block(images, 3), Predictions(column, *shares, column))])
            held |= dict(zip(images, answers, strict=True))
        wanted = data.draw(st.lists(st.integers(0, 25), min_size=1, max_size=20))
        cells, targets = StoredCells(store, identified(wanted), np.zeros(len(wanted), np.int64)), (3,)
        cells.update("key", targets)
        assert cells.present("key", targets).tolist() == [image in held for image in wanted]
        found = cells.predictions("key", targets)
        assert found.predicted.tolist() == [held.get(image, -1) for image in wanted]
        assert np.isnan(found.confidence).tolist() == [image not in held for image in wanted]
        other = (4,)
        cells.update("key", other)
        assert not cells.present("key", other).any()  # of another class, its probability is another one


def test_a_block_is_written_once_for_all_cells_that_share_it(store: Store) -> None:
    shared = block(range(50))
    store.put([Result(f"key {n}", {}, EAGER, shared, predictions(50, n)) for n in range(4)])
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT count(*), sum(size) FROM block").fetchone() == (1, 50)
    assert all(close(store.read(f"key {n}")[0].predictions, predictions(50, n)) for n in range(4))


def test_a_selection_comes_back(store: Store) -> None:
    selection = StoredSelection("photos", (ClassLabel("n1", "tench"),), np.zeros(10, np.int64), identified(range(10)))
    store.put_selection("data", selection)
    found = store.selection("data")
    assert found[:2] == selection[:2]
    np.testing.assert_array_equal(found.labels, selection.labels)
    np.testing.assert_array_equal(found.images, selection.images)
    with pytest.raises(KeyError):
        store.selection("absent")


def test_results_are_committed_together_or_not_at_all(store: Store) -> None:
    short = Result("other", {}, EAGER, block(range(10)), predictions(9))
    with pytest.raises(ValueError, match="a block of 10 images needs as many predictions"):
        store.put([result(range(10)), short])
    assert store.read("key") == store.read("other") == []


def test_a_reader_goes_on_where_it_was(store: Store) -> None:
    store.put([result(range(5))])
    (first,) = store.read("key")
    store.put([result(range(5, 9), seed=1)])
    (second,) = store.read("key", after=first.number)
    assert close(second.predictions, predictions(4, 1))


def test_two_connections_see_each_others_results(store: Store) -> None:
    with contextlib.closing(Store(store.path)) as other:
        other.put([result(range(10))])
    assert close(store.read("key")[0].predictions, predictions(10))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_has_a_connection_of_its_own(store: Store) -> None:
    store.put([result(range(5))])
    with store.file.transaction():
        store.file.connection.execute("DELETE FROM prediction")
        child = os.fork()
        if not child:
            # What is not committed is of the process that has begun it.
            os._exit(0 if len(store.read("key")) == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert store.read("key") == []
    child = os.fork()
    if not child:
        store.put([result(range(5, 9))])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    store.put([result(range(9, 12))])
    assert len(store.read("key")) == 2


def test_of_a_cell_with_a_damaged_description_nothing_is_known(store: Store) -> None:
    store.put([result(range(5)), result(range(5), "other")])
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE cell SET description = CAST(x'7b22ff' AS TEXT) WHERE key = 'key'")
    found = {}
    store.forget(lambda key, description: bool(found.update({key: description})))
    assert found == {"key": {}, "other": {"model": "a"}}
    store.put([result(range(5, 9))])  # which describes the cell again
    store.forget(lambda key, description: bool(found.update({key: description})))
    assert found == {"key": {"model": "a"}, "other": {"model": "a"}}


def test_what_no_longer_holds_is_forgotten(store: Store) -> None:
    store.put([result(range(5)), result(range(5), "other")])
    store.forget(lambda key, description: key == "key")
    assert store.read("key") == []
    assert len(store.read("other")) == 1


def test_a_result_names_the_engine_that_computed_it(store: Store) -> None:
    store.put([result(range(4), engine=OPENVINO), result(range(4, 8))])
    store.put([result(range(20, 24), engine=EngineUsed("compile", "fp32"))])
    cells, targets = StoredCells(store, identified(range(10)), np.zeros(10, np.int64)), (0,)
    assert cells.engines("key", targets) == (EAGER, OPENVINO)
    assert cells.engines("other", targets) == ()


def test_an_unreadable_image_is_remembered_for_the_decoder_that_failed(store: Store) -> None:
    store.put_unreadable(b"0" * 16, "pillow 12", "it is damaged")
    assert store.unreadable("pillow 12") == {b"0" * 16: "it is damaged"}
    assert store.unreadable("pillow 13") == {}


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
        (0, "an older", "Name"),
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
        f"{SCHEMA_VERSION}). {remedy} another file (in a run with --robustness-store=FILE)."
    )
    assert path.read_bytes() == before


def test_a_damaged_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"is damaged, or is no store .*--robustness-store=FILE.*, or move this"):
        Store(path)
    assert path.read_bytes() == b"no database at all" * 100


def test_damage_inside_the_file_is_reported_when_it_is_read(store: Store) -> None:
    store.put([result(range(10))])
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    store.path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="is damaged"):
        Store(store.path).read("key")


@pytest.mark.parametrize("table", ["selection", "sweep", "cell", "block", "prediction", "unreadable"])
def test_a_store_without_one_of_its_tables_is_refused_with_a_way_out(store: Store, table: str) -> None:
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"DROP TABLE {table}")

    def use(opened: Store) -> None:
        opened.put([result(range(3))])
        opened.read("key")
        opened.announce(1, 1)
        opened.unreadable("pillow")
        opened.selection("data")

    with contextlib.closing(Store(store.path)) as opened, pytest.raises(StoreError, match="Name another file"):
        use(opened)


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
    store.put([result(range(10))])
    connect = sqlite3.connect

    def connect_to_full_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(store_file.sqlite3, "connect", connect_to_full_disk)
    with contextlib.closing(Store(store.path)) as full:
        with pytest.raises(StoreError, match=r"the disk is full. What was finished is kept; free some space and run"):
            full.put([result(range(100_000), "other")])
        assert close(full.read("key")[0].predictions, predictions(10))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("disk I/O error", "cannot be used where it lies (disk I/O error): the disk fails, or its file system lacks "),
        ("locking protocol", "cannot be used where it lies (locking protocol): the disk fails, or its file system "),
        ("database is locked", "seconds. Another process has it: run again when that is done. If none has, its file "),
    ],
)
def test_a_file_system_without_locks_is_named_with_the_way_out(store: Store, text: str, shown: str) -> None:
    file = store_file.StoreFile(store.path)
    with pytest.raises(StoreError) as caught, file.explained():
        raise sqlite3.OperationalError(text)
    assert shown in str(caught.value)
    assert "Name a file on a disk of this machine (in a run with --robustness-store=FILE)." in str(caught.value)
    file.close()


DAMAGE = {
    "rows, a flipped bit": "UPDATE prediction SET rows = CAST(x'00' || substr(rows, 2) AS BLOB) WHERE id = 1",
    "rows, shortened": "UPDATE prediction SET rows = substr(rows, 1, 7) WHERE id = 1",
    "rows, of another type": "UPDATE prediction SET rows = 17 WHERE id = 1",
    "rows, none": "UPDATE prediction SET rows = x'' WHERE id = 1",
    "the engine": "UPDATE prediction SET engine = 'eager' WHERE id = 1",
    "the engine, no UTF-8": "UPDATE prediction SET engine = CAST(x'ff2fff' AS TEXT) WHERE id = 1",
    "the cell of a row": "UPDATE prediction SET cell = (SELECT id FROM cell WHERE key = 'other') WHERE id = 1",
    "the block of a row": "UPDATE prediction SET block = 2 WHERE id = 1",
    "a block that is gone": "UPDATE prediction SET block = 99 WHERE id = 1",
    "the checksum": "UPDATE prediction SET checksum = x'0011223344556677' WHERE id = 1",
    "the images of a block": "UPDATE block SET images = CAST(x'ffffffff' || substr(images, 5) AS BLOB) WHERE id = 1",
    "the images of a block, shortened": "UPDATE block SET images = substr(images, 1, 33) WHERE id = 1",
    "the targets of a block": "UPDATE block SET targets = CAST(x'01' || substr(targets, 2) AS BLOB) WHERE id = 1",
    "the key of a cell": "UPDATE cell SET key = 'yek' WHERE key = 'key'",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_row_is_left_out_and_counted(store: Store, damage: str) -> None:
    store.put([result(range(10))])
    store.put([result(range(10, 15), seed=1), result(range(5), "other", seed=2)])
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(DAMAGE[damage])
    with contextlib.closing(Store(store.path)) as opened:
        found = [one.predictions for one in opened.read("key")]
        # A key that is another one hides both results of its cell, which are then simply computed again.
        assert [len(one.predicted) for one in found] == ([] if damage == "the key of a cell" else [5])
        assert all(close(one, predictions(5, 1)) for one in found)
        assert [close(one.predictions, predictions(5, 2)) for one in opened.read("other")] == [True]
        assert opened.damaged == (damage != "the key of a cell")
        assert len(opened.read("key")) == len(found)
        assert opened.damaged == (damage != "the key of a cell")  # it is gone, and counts once


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_whoever_keeps_a_store_locked_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put([result(range(3))])
    command = [sys.executable, "-c", HOLDER, str(store.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        store.file.connection.execute("PRAGMA busy_timeout = 100")
        with pytest.raises(StoreError) as caught:
            store.put([result(range(3, 6))])
        holder.communicate("\n")
    named = f"process {holder.pid} " if sys.platform == "linux" else "Another process"
    assert named in str(caught.value)
    store.put([result(range(3, 6))])
