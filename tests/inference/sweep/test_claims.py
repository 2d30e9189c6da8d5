"""No two processes compute the same shard, and a dead one holds none."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_robustness.core import Shard
from pytest_robustness.core.errors import StoreError
from pytest_robustness.inference.store import lock_holders
from pytest_robustness.inference.sweep.claims import ShardClaims

SHARDS = [Shard(0, 5), Shard(5, 10), Shard(10, 12)]


def test_a_shard_that_one_holds_is_passed_over_by_the_other_until_it_is_released(tmp_path):
    one, other = ShardClaims(tmp_path / "locks", "photos"), ShardClaims(tmp_path / "locks", "photos")
    assert next(one.claim(SHARDS)) == SHARDS[0]
    assert list(other.claim(SHARDS)) == SHARDS[1:]
    assert list(one.claim(SHARDS[1:])) == []
    other.release(SHARDS[2])
    assert list(one.claim(SHARDS[1:])) == [SHARDS[2]]


def test_shards_are_claimed_only_as_they_are_asked_for(tmp_path):
    one, other = ShardClaims(tmp_path, "photos"), ShardClaims(tmp_path, "photos")
    ones, others = one.claim(SHARDS), other.claim(SHARDS)
    assert [next(ones), next(others), next(ones)] == SHARDS


def test_other_data_has_other_shards(tmp_path):
    one, other = ShardClaims(tmp_path, "photos"), ShardClaims(tmp_path, "drawings")
    assert list(one.claim(SHARDS)) == SHARDS
    assert list(other.claim(SHARDS)) == SHARDS


def test_lock_files_that_nobody_asks_for_are_removed_and_no_others(tmp_path):
    folder, yesterday = tmp_path / "locks", time.time() - 90_000
    of_old, of_held, of_now = (ShardClaims(folder, topic) for topic in ("old", "held", "now"))
    assert list(of_old.claim(SHARDS)) == list(of_held.claim(SHARDS)) == list(of_now.claim(SHARDS)) == SHARDS
    for shard in SHARDS:
        of_old.release(shard)
    lost = folder / "old-0-5.holder"  # of a process that was killed
    lost.write_text("{}")
    for path in folder.iterdir():
        if not path.name.startswith("now"):
            os.utime(path, (yesterday, yesterday))
    of_now.close()
    left = {path.name for path in folder.iterdir()}
    ends = ["0-5", "5-10", "10-12"]
    assert left == {*(f"held-{end}.lock" for end in ends), *(f"held-{end}.holder" for end in ends)} | {
        f"now-{end}.lock" for end in ends
    }
    assert list(ShardClaims(folder, "held").claim(SHARDS)) == []
    of_old.close()
    assert list(of_old.claim(SHARDS)) == SHARDS
    of_held.close()


def test_a_shard_that_was_never_claimed_can_be_released(tmp_path):
    claims = ShardClaims(tmp_path, "photos")
    claims.release(SHARDS[0])
    assert list(claims.claim(SHARDS)) == SHARDS


def test_a_process_that_dies_gives_its_shards_back(tmp_path):
    script = (
        "import sys, time; from pathlib import Path;"
        "from pytest_robustness.inference.sweep.claims import ShardClaims; from pytest_robustness.core import Shard;"
        "claims = ShardClaims(Path(sys.argv[1]), 'photos');"
        "print(list(claims.claim([Shard(0, 5)])), flush=True); time.sleep(600)"
    )
    claims = ShardClaims(tmp_path, "photos")
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[Shard(start=0, stop=5)]\n"
        assert list(claims.claim(SHARDS)) == SHARDS[1:]
        process.kill()
        process.wait()
    assert list(claims.claim(SHARDS[:1])) == SHARDS[:1]


HOLDING = """
import sys, time
from pathlib import Path
from pytest_robustness.core import Shard
from pytest_robustness.inference.sweep.claims import ShardClaims

claims = ShardClaims(Path(sys.argv[1]), "photos")
print(list(claims.claim([Shard(0, 5)])), flush=True)
time.sleep(600)
"""


@pytest.fixture
def holding(tmp_path):
    """Another process, which holds the first shard."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    # Of another run, even if a worker of xdist runs this test.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_TESTRUNUID"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "[Shard(start=0, stop=5)]\n"
    yield process
    process.kill()
    process.communicate(timeout=60)


def waited(claims: ShardClaims, until, monkeypatch) -> None:
    """Let ``claims`` wait as a sweep does, without patience, until something has happened."""
    monkeypatch.setattr("pytest_robustness.inference.sweep.claims._PATIENCE_SECONDS", 0.3)
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        assert list(claims.claim(SHARDS[:1])) == []
        claims.wait()


@pytest.mark.slow
def test_who_is_waited_for_is_said_once_and_again_when_it_is_stopped_or_goes_on(tmp_path, holding, monkeypatch):
    notes = []
    claims = ShardClaims(tmp_path, "photos", notes.append)
    waited(claims, lambda: notes, monkeypatch)
    start = f"waiting for images 0 to 5 of process {holding.pid} ("
    (running,) = notes
    assert running.startswith(start)
    assert "has the lock since " in running
    assert running.endswith(f"wait until it is done, or end it with kill {holding.pid}")
    if not Path("/proc/self/stat").exists():
        return
    holding.send_signal(signal.SIGSTOP)
    waited(claims, lambda: len(notes) > 1, monkeypatch)
    assert notes[1].startswith(start)
    how = f"fg or kill -CONT {holding.pid} lets it go on, kill -9 {holding.pid} ends it"
    assert notes[1].endswith(f"and is stopped, by Ctrl-Z perhaps: {how}")
    holding.send_signal(signal.SIGCONT)
    waits = iter(range(8))
    waited(claims, lambda: next(waits, None) is None, monkeypatch)
    assert len(notes) == 2


def test_nothing_is_said_of_a_process_that_has_ended(tmp_path, monkeypatch):
    if not Path("/proc/self/stat").exists():
        pytest.skip("the system does not say what has ended")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=60)
    one, notes = ShardClaims(tmp_path, "photos"), []
    assert next(one.claim(SHARDS)) == SHARDS[0]
    (path,) = tmp_path.glob("*.holder")
    lock_holders.write(path, dataclasses.replace(lock_holders.Holder.this(), pid=ended.pid))
    waits = iter(range(5))
    waited(ShardClaims(tmp_path, "photos", notes.append), lambda: next(waits, None) is None, monkeypatch)
    assert notes == []


def test_nothing_is_said_of_a_worker_of_the_same_run_at_its_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "f00d")
    one, notes = ShardClaims(tmp_path, "photos"), []
    assert next(one.claim(SHARDS)) == SHARDS[0]
    waits = iter(range(5))
    waited(ShardClaims(tmp_path, "photos", notes.append), lambda: next(waits, None) is None, monkeypatch)
    assert notes == []
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "beef")  # another run
    waited(ShardClaims(tmp_path, "photos", notes.append), lambda: notes, monkeypatch)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"pid": 1}', '{"pid": 1, "host": "a", "x": 1}', "\0\xff"])
def test_a_damaged_note_of_the_holder_is_no_holder(tmp_path, text):
    (tmp_path / "a.holder").write_text(text, encoding="latin-1")
    assert lock_holders.read(tmp_path / "a.holder") is None


def test_a_holder_is_described_without_what_a_terminal_obeys(tmp_path):
    here = lock_holders.Holder.this()
    lock_holders.write(tmp_path / "a.holder", here)
    assert lock_holders.read(tmp_path / "a.holder") == here
    assert not here.stopped
    who, _, how = lock_holders.Holder(7, "far.example").describe().partition(": ")
    assert who == "process 7 on far.example, which has the lock"
    assert how == "wait until it is done, or end it there with kill 7"


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not list its locks")
def test_the_process_that_locks_a_database_is_found(tmp_path):
    script = (
        "import sqlite3, sys, time; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(600)"
    )
    path = tmp_path / "store.sqlite"
    sqlite3.connect(path).execute("CREATE TABLE t (x)")
    assert lock_holders.describe_holders([path]) == ""
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        found = lock_holders.holders_of([path])
        text = lock_holders.describe_holders([path])
        process.kill()
    assert [holder.pid for holder in found] == [process.pid]
    assert text.startswith(f"It is locked by process {process.pid} (")


def test_a_process_that_has_released_its_memory_is_gone_though_it_is_still_listed(tmp_path, monkeypatch):
    # What Linux shows of a killed process until its files are closed: running, with no arguments left.
    for pid, command in ((os.getpid(), b"pytest\0"), (77, b""), (78, b"pytest\0")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (python) R 1 1")
        (tmp_path / str(pid) / "cmdline").write_bytes(command)
    monkeypatch.setattr(lock_holders, "_PROC", tmp_path)
    assert [lock_holders.Holder(pid, socket.gethostname()).gone for pid in (77, 78)] == [True, False]


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock here")])
def test_a_folder_that_cannot_be_locked_is_named_with_the_way_out(tmp_path, monkeypatch, error):
    def acquire(*_, **__):
        raise error

    monkeypatch.setattr("pytest_robustness.inference.sweep.claims.FileLock.acquire", acquire)
    claims = ShardClaims(tmp_path / "store.locks", "data")
    with pytest.raises(
        StoreError, match=r"store\.locks beside the store cannot be locked \([Nn]o .*: the disk is full, or"
    ):
        next(claims.claim([Shard(0, 4)]))
    claims.close()
