"""Files are hashed whole; a hash is remembered until the file's status changes, and never believed beyond that."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core import file_hashes
from pytest_robustness.core.file_hashes import FileHashes


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:16]


def settle(path: Path) -> None:
    """Wait until the file is old enough to be remembered; its change time cannot be set back."""
    end = time.time() + 10
    while time.time_ns() - path.stat().st_ctime_ns <= file_hashes._SETTLED_NANOSECONDS and time.time() < end:
        time.sleep(0.05)


@pytest.fixture
def young_files_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_hashes, "_SETTLED_NANOSECONDS", -1)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files that were read, in order."""
    paths: list[bytes] = []
    original = file_hashes._hash

    def counting(path: bytes) -> object:
        paths.append(path.rpartition(b"/")[2])
        return original(path)

    monkeypatch.setattr(file_hashes, "_hash", counting)
    return paths


@given(contents=st.lists(st.binary(max_size=3000), min_size=1, max_size=5), large=st.integers(0, 3 << 20))
def test_a_hash_is_that_of_the_whole_file(tmp_path_factory, contents, large):
    folder = tmp_path_factory.mktemp("files")
    contents = [*contents, bytes(large)]
    names = [f"{number}/{number}.bin" for number in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(content)
    assert FileHashes().digests(folder, [os.fsencode(name) for name in names]) == [sha(c) for c in contents]
    assert FileHashes().digest(folder / names[-1]) == sha(contents[-1])


def test_what_cannot_be_read_is_an_error_of_that_file_alone(tmp_path):
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # opening it must not wait for a writer
    (tmp_path / "zero").symlink_to("/dev/zero")  # reading it would never end
    (tmp_path / "broken").symlink_to("nowhere")
    names = [b"folder", b"pipe", b"zero", b"broken", b"absent", b"good"]
    *bad, good = FileHashes().digests(tmp_path, names)
    assert good == sha(b"good")
    assert all(isinstance(error, OSError) for error in bad)
    with pytest.raises(OSError, match="not a regular file"):
        FileHashes().digest(tmp_path / "pipe")


def test_an_unchanged_file_is_read_once_by_all_processes_together(tmp_path, reads, young_files_count):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    for _ in range(3):
        hashes = FileHashes(tmp_path / "memory")
        assert hashes.digests(tmp_path, [b"a", b"b"]) == [sha(b"a"), sha(b"b")]
        assert hashes.digest(tmp_path / "a") == sha(b"a")
    assert sorted(reads) == [b"a", b"b"]
    (tmp_path / "c").write_bytes(b"c")
    assert FileHashes(tmp_path / "memory").digests(tmp_path, [b"a", b"c"]) == [sha(b"a"), sha(b"c")]
    assert sorted(reads) == [b"a", b"b", b"c"]


def mutate_in_place(path: Path) -> None:
    """Change a byte in the middle, and put the modification time back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_another(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[:-1] + b"2")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [mutate_in_place, replace_by_another])
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, change, young_files_count):
    path = tmp_path / "weights"
    path.write_bytes(bytes(10_000))
    memory = tmp_path / "memory"
    before = FileHashes(memory).digest(path)
    time.sleep(0.02)  # beyond one tick of the file system's clock
    change(path)
    assert FileHashes(memory).digest(path) == sha(path.read_bytes()) != before


@pytest.mark.slow
def test_a_file_that_has_just_changed_is_not_remembered(tmp_path, reads):
    (tmp_path / "a").write_bytes(b"a")
    FileHashes(tmp_path / "memory").digest(tmp_path / "a")
    FileHashes(tmp_path / "memory").digest(tmp_path / "a")
    assert reads == [b"a", b"a"]
    settle(tmp_path / "a")
    FileHashes(tmp_path / "memory").digest(tmp_path / "a")
    FileHashes(tmp_path / "memory").digest(tmp_path / "a")
    assert reads == [b"a", b"a", b"a"]


def flip(memory: Path) -> None:
    with sqlite3.connect(memory) as connection:
        records = bytearray(connection.execute("SELECT records FROM folder").fetchone()[0])
        records[-1] ^= 1
        connection.execute("UPDATE folder SET records = ?", (bytes(records),))
    connection.close()


def shorten(memory: Path) -> None:
    with sqlite3.connect(memory) as connection:
        connection.execute("UPDATE folder SET records = substr(records, 1, 9)")
    connection.close()


DAMAGE = {
    "a flipped bit": flip,
    "a shortened record": shorten,
    "garbage": lambda memory: memory.write_bytes(b"garbage" * 1000),
    "an empty file": lambda memory: memory.write_bytes(b""),
    "a folder": lambda memory: (memory.unlink(), memory.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_memory_is_not_believed(tmp_path, damage, young_files_count):
    (tmp_path / "a").write_bytes(b"a")
    memory = tmp_path / "memory"
    FileHashes(memory).digest(tmp_path / "a")
    DAMAGE[damage](memory)
    assert FileHashes(memory).digest(tmp_path / "a") == sha(b"a")


def hash_all(folder: str, count: int) -> list[object]:
    names = [b"%d" % number for number in range(count)]
    return FileHashes(Path(folder, "memory")).digests(Path(folder), names)


def test_processes_share_a_memory(tmp_path):
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
    expected = [sha(b"%d" % number) for number in range(50)]
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.starmap(hash_all, [(str(tmp_path), 50)] * 8) == [expected] * 8


def test_many_files_are_announced_and_how_far_it_is(tmp_path, monkeypatch):
    for number in range(5):
        (tmp_path / str(number)).write_bytes(b"x")
    monkeypatch.setattr(file_hashes, "_MANY", 5)
    monkeypatch.setattr(file_hashes, "_NOTE_SECONDS", -1)
    hashes, notes = FileHashes(), []
    hashes.note = notes.append
    hashes.digests(tmp_path, [b"%d" % n for n in range(5)])
    assert notes[0].startswith("reading 5 files to know them by their content")
    assert notes[1:] == [f"read {n} of 5 files" for n in range(1, 6)]


def test_an_interrupt_keeps_what_was_hashed_and_does_not_wait_for_the_rest(
    tmp_path, reads, young_files_count, monkeypatch
):
    names = [b"%d" % number for number in range(400)]
    for name in names:
        (tmp_path / name.decode()).write_bytes(name)
    counting = file_hashes._hash
    monkeypatch.setattr(file_hashes, "_hash", lambda path: (time.sleep(0.005), counting(path))[1])
    monkeypatch.setattr(file_hashes, "_NOTE_SECONDS", -1)

    def interrupt(note: str) -> None:
        if note == "read 20 of 400 files":
            raise KeyboardInterrupt

    hashes = FileHashes(tmp_path / "memory")
    hashes.note = interrupt
    with pytest.raises(KeyboardInterrupt):
        hashes.digests(tmp_path, names)
    assert len(reads) < 200
    reads.clear()
    assert FileHashes(tmp_path / "memory").digests(tmp_path, names) == [sha(name) for name in names]
    assert len({*reads}) == 380  # a thread may still be at a piece of the first time


def test_a_process_that_is_killed_loses_no_more_than_the_last_minute_of_its_reading(
    tmp_path, reads, young_files_count, monkeypatch
):
    names = [b"%d/%d" % (number % 3, number) for number in range(40)]
    for name in names:
        (tmp_path / name.decode()).parent.mkdir(exist_ok=True)
        (tmp_path / name.decode()).write_bytes(name)
    monkeypatch.setattr(file_hashes, "_NOTE_SECONDS", -1)
    monkeypatch.setattr(file_hashes, "_KEEP_SECONDS", -1)
    known: list[bytes] = []

    def look(note: str) -> None:
        if note == "read 30 of 40 files":
            for folder in (b"0", b"1", b"2"):
                known.extend(FileHashes(tmp_path / "memory")._folder(os.fsencode(tmp_path) + b"/" + folder))

    hashes = FileHashes(tmp_path / "memory")
    hashes.note = look
    assert hashes.digests(tmp_path, names) == [sha(name) for name in names]
    assert len(known) == 29
    reads.clear()
    FileHashes(tmp_path / "memory").digests(tmp_path, names)
    assert reads == []
