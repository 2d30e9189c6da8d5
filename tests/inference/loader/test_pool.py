"""Decoding processes answer in order and end when they should."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from pytest_robustness.core.errors import DataError
from pytest_robustness.inference.loader import pool
from pytest_robustness.inference.loader.pool import answers


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_answers_come_in_the_order_of_the_requests(workers):
    assert list(answers(operator.neg, iter(range(40)), workers)) == [-number for number in range(40)]


def test_requests_are_taken_in_full_before_an_interrupt_takes_effect():
    asked = []

    def requests():
        for number in range(100):
            if number == 5:
                interrupt()  # as if it came while requests are put into the queue of the pool
            asked.append(number)
            yield number

    found = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(answers(operator.pos, requests(), workers=1))
    assert asked == list(range(6))
    assert found == list(range(len(found)))
    assert multiprocessing.active_children() == []


def wait_for(file: Path) -> None:
    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end, f"{file} was not written"
        time.sleep(0.01)


def record(folder: Path, request: int) -> int:
    """Note the request; one after the first is answered once the file ``go`` is there."""
    (folder / str(request)).touch()
    if request:
        wait_for(folder / "go")
    return request


def test_on_closing_a_worker_finishes_its_request_and_starts_no_other(tmp_path, monkeypatch):
    shut_down = ProcessPoolExecutor.shutdown

    def go_and_shut_down(*arguments, **options):
        (tmp_path / "go").touch()
        shut_down(*arguments, **options)

    monkeypatch.setattr(ProcessPoolExecutor, "shutdown", go_and_shut_down)
    stream = answers(functools.partial(record, tmp_path), iter(range(10)), workers=1)
    assert next(stream) == 0
    wait_for(tmp_path / "1")  # and 2 is in the queue
    stream.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0", "1", "go"]
    assert multiprocessing.active_children() == []


def end_in_a_child(request: int, *, at: int) -> int:
    if request == at and multiprocessing.parent_process() is not None:
        os._exit(3)
    return -request


def fail_to_start(error: Exception):
    def start(*_):
        raise error

    return start


STARTING = {
    "there is no server": ("pool._context", OSError(38, "Function not implemented")),
    "the child dies as it is sent things": ("ProcessPoolExecutor.submit", BrokenPipeError(32, "Broken pipe")),
    "a process may have no children": ("ProcessPoolExecutor.submit", AssertionError("daemonic processes are not")),
    "the script is being imported": ("ProcessPoolExecutor.submit", RuntimeError("An attempt has been made")),
    "something cannot be sent": ("ProcessPoolExecutor.submit", TypeError("cannot pickle a generator")),
    "the first request kills it": (None, None),
}


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("case", STARTING)
def test_without_processes_this_one_answers_every_request_once_unless_they_were_asked_for(monkeypatch, case, asked):
    target, error = STARTING[case]
    if target is not None:
        owner, name = (pool, "_context") if target == "pool._context" else (ProcessPoolExecutor, "submit")
        monkeypatch.setattr(owner, name, fail_to_start(error))
    taken: list[int] = []
    requests = (taken.append(number) or number for number in range(20))
    refused: list[str] = []
    read = functools.partial(end_in_a_child, at=0)
    stream = answers(read, requests, 2, None if asked else refused.append)
    if asked:
        with pytest.raises(DataError, match=r"--robustness-workers=0, in Python workers=0\)") as caught:
            list(stream)
        assert error is None or str(error) in str(caught.value)
        return
    assert list(stream) == [-number for number in range(20)]
    assert taken == [*range(20)]
    assert len(refused) == 1
    assert str(error or "the first ones died before they answered") in refused[0]
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_after_an_answer_is_an_error_all_the_same():
    refused: list[str] = []
    stream = answers(functools.partial(end_in_a_child, at=7), iter(range(20)), 1, refused.append)
    found = []
    with pytest.raises(DataError, match=r"^A decoding process died\. Where memory is short, use fewer\. "):
        found.extend(stream)
    assert found == [-number for number in range(len(found))]
    assert found
    assert refused == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_who_asks_is_not_taken_for_one_of_the_processes(workers):
    def requests():
        yield 1
        raise BrokenPipeError("of the store, say")

    with pytest.raises(BrokenPipeError, match="of the store, say"):
        list(answers(operator.neg, requests(), workers, pytest.fail))


class OddError(Exception):
    """It can be pickled, but not be made again from that."""

    def __init__(self, number, reason):
        super().__init__(f"{number}: {reason}")


def raise_odd_error(request):
    raise OddError(request, "no such luck")


def test_an_exception_that_cannot_travel_is_reported_by_its_text():
    with pytest.raises(DataError, match=r"^OddError: 7: no such luck \(\S*test_pool.py:\d+\)$"):
        list(answers(raise_odd_error, iter([7]), workers=1))
    with pytest.raises(OddError):
        list(answers(raise_odd_error, iter([7]), workers=0))


ENDLESS = """
import ctypes, itertools, os, pathlib, sys, time
from pytest_robustness.inference.loader import pool
from pytest_robustness.inference.loader.pool import answers


def read(number):
    if number > 8 and sys.argv[1] == "hanging":
        pathlib.Path("hanging").touch()
        ctypes.PyDLL(None).sleep(600)  # no other thread of the process runs
    return number


if __name__ == "__main__":
    stream = answers(read, itertools.count(), workers=2)
    first = [next(stream) for _ in range(8)]
    if sys.argv[1] == "forking" and not os.fork():
        time.sleep(600)  # holds what its parent holds, as a worker of some other library does
    print(first, flush=True)
    input()
"""


def processes(mark: str) -> dict[int, str]:
    """Return the processes whose environment has ``mark``, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            alive = "\nState:\tZ" not in (folder / "status").read_text()
            if alive and mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


@pytest.fixture
def short():
    """A folder with a short path: that of a socket has a limit of about a hundred bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc to read the processes from")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("idle", signal.SIGKILL),
        ("idle", signal.SIGTERM),
        ("idle", signal.SIGHUP),
        ("hanging", signal.SIGKILL),
        ("forking", signal.SIGTERM),
    ],
)
def test_what_a_killed_process_started_ends_and_its_folders_go(tmp_path, short, state, number):
    (tmp_path / "run.py").write_text(ENDLESS)
    mark = f"MARK_{uuid.uuid4().hex}"
    environment = {**os.environ, mark: "1", "TMPDIR": str(short)}
    command = [sys.executable, "run.py", state]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == f"{list(range(8))}\n"
        if state == "hanging":
            wait_for(tmp_path / "hanging")
        started = processes(mark)
        assert len(started) >= 5, started  # itself, the resource tracker, the server and two that decode
        others = {pid for pid, line in started.items() if state == "forking" and "run.py" in line} - {process.pid}
        process.send_signal(number)
        process.wait(timeout=60)
        end = time.monotonic() + 15
        while left := {pid: line for pid, line in processes(mark).items() if pid not in others}:
            # The tracker ends with the last that holds its pipe: with the process that the other library forked.
            if others and all("resource_tracker" in line for line in left.values()):
                break
            assert time.monotonic() < end, left
            time.sleep(0.05)
        assert [path.name for path in short.iterdir() if path.name.startswith("pymp")] == []
    finally:
        for pid in processes(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)  # their standard output closes when the last of them has ended
