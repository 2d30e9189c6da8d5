"""Files appear whole or not at all, and paths are shown as a user would type them."""

from __future__ import annotations

import errno
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.files import alone_in, publish, read_regular, replacing, short_path, write_atomically
from tests.locks import locked


@pytest.mark.parametrize("content", ["größe\n± 3\n", "", b"\x00\xff\r\n"])
def test_content_is_written_as_it_is(tmp_path: Path, content: str | bytes) -> None:
    (tmp_path / "file").write_text("before, and longer than what follows")
    write_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == (content if isinstance(content, bytes) else content.encode("utf-8"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Stop(BaseException):
    """As Ctrl-C is, or a full disk."""


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), Stop()])
@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    (tmp_path / "file").write_text("before")
    opened = Path.open

    def fail(path: Path, *_: object) -> None:
        if step == "open":
            with opened(path, "wb") as half:
                half.write(b"aft")
        raise error

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "file", "after")
    monkeypatch.undo()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "before"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), Stop()])
def test_a_file_that_is_written_piece_by_piece_appears_whole_or_not_at_all(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def stop_half_way() -> None:
        with replacing(path) as file:
            file.write(b"af")
            raise error

    with pytest.raises(type(error)):
        stop_half_way()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "before"}
    with replacing(path) as file:
        for piece in (b"af", b"ter"):
            file.write(piece)
            assert path.read_text() == "before"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "after"}


def test_a_reader_never_sees_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("before")
    seen, replace = [], Path.replace

    def watched(part: Path, path: Path) -> Path:
        seen.append((part.parent, part.read_text(), path.read_text()))
        return replace(part, path)

    monkeypatch.setattr(Path, "replace", watched)
    write_atomically(tmp_path / "file", "after")
    assert seen == [(tmp_path, "after", "before")]  # of the same folder: a rename across disks is a copy


def test_publishing_creates_the_folder_and_returns_the_paths(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    assert publish({"a.txt": "1", "b.txt": "2"}, folder) == [folder / "a.txt", folder / "b.txt"]
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.txt": "1", "b.txt": "2"}


def test_a_folder_that_cannot_be_written_names_its_option(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(RobustnessError) as raised:
        publish({"a.txt": "1"}, tmp_path / "report" / "deep", option="--robustness-allure-report")
    assert str(raised.value) == (
        f"The report cannot be written to {tmp_path}/report/deep: Not a directory. Name another folder with "
        f"--robustness-allure-report=DIR; nothing has to be computed again."
    )


_PARTS = st.lists(st.sampled_from(["a", "b", "ab", "..b", "a b"]), max_size=4)


@given(_PARTS, _PARTS)
def test_a_short_path_leads_to_the_same_file_and_goes_up_nowhere(here: list[str], parts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        root = Path("/root")
        patched.setattr(Path, "cwd", lambda: root.joinpath(*here))
        path = root.joinpath(*parts)
        short = short_path(path)
        assert os.path.normpath(os.path.join(Path.cwd(), short)) == str(path)  # noqa: PTH118 (the reference)
        below = parts[: len(here)] == here
        assert short == (os.path.relpath(path, Path.cwd()) if below else str(path))


def test_a_regular_file_and_a_link_to_one_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 10) == b"0123456789"
    with pytest.raises(OSError, match="is larger than 9 bytes") as caught:
        read_regular(tmp_path / "file", 9)
    assert caught.value.errno == errno.EFBIG


def test_pipes_devices_folders_and_what_is_missing_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "piped").symlink_to("pipe")
    for name in ("pipe", "zero", "piped"):
        with pytest.raises(OSError, match="is no regular file but a pipe, a socket or a device"):
            read_regular(tmp_path / name, 100)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 100)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "missing", 100)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    status = (tmp_path / "file").stat()
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    monkeypatch.setattr(Path, "stat", lambda self, **_: status)
    with pytest.raises(OSError, match="is no regular file"):
        read_regular(tmp_path / "file", 100)


@pytest.mark.parametrize("size", [0, 1, 4096, 100_000])
def test_a_file_is_read_whole_and_takes_no_more_room_than_it_has(tmp_path, size):
    (tmp_path / "a").write_bytes(b"x" * size)
    tracemalloc.start()
    try:
        assert read_regular(tmp_path / "a", 2**31) == b"x" * size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * size + 100_000
    if size:
        with pytest.raises(OSError, match=f"is larger than {size - 1:,} bytes"):
            read_regular(tmp_path / "a", size - 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a file of Linux")
def test_a_file_that_says_it_is_empty_is_read_too():
    assert b"Pid:" in read_regular(Path("/proc/self/status"), 10**6)


def test_a_folder_is_kept_for_one_run_until_the_block_ends_and_nothing_stays_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    with alone_in(folder):
        assert locked(folder)
    assert not locked(folder)
    assert not [*folder.iterdir()]


def test_runs_that_write_at_once_leave_the_files_of_one_of_them(tmp_path: Path) -> None:
    names, rounds, writers = "abc", 100, 4
    start = threading.Barrier(writers)

    def work(mine: int) -> None:
        start.wait()
        for number in range(rounds):
            with alone_in(tmp_path):
                for name in names:
                    write_atomically(tmp_path / name, f"{mine} {number}")
                assert len({(tmp_path / name).read_text() for name in names}) == 1

    with ThreadPoolExecutor(writers) as pool:
        assert [*pool.map(work, range(writers))] == [None] * writers


def test_a_folder_that_cannot_be_made_or_locked_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with alone_in(tmp_path / "file/folder"), alone_in(tmp_path / "file"):
        pass
