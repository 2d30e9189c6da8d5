"""Work on several threads is done once each, errors arrive, an interrupt ends it, and nobody waits for an idle one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.core import threads
from pytest_robustness.core.threads import divided, in_threads


@settings(deadline=None, max_examples=60)
@given(count=st.integers(0, 300), threads=st.integers(1, 9))
def test_each_number_is_worked_on_once(count: int, threads: int) -> None:
    assert sorted(in_threads(lambda number: number * number, count, threads)) == [(n, n * n) for n in range(count)]


def test_one_thread_works_in_order_and_is_the_callers() -> None:
    found = list(in_threads(lambda number: (number, threading.get_ident()), 9, 1))
    assert found == [(n, (n, threading.get_ident())) for n in range(9)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_the_work_raises_is_raised_here(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda number: 1 // (40 - number), 100, threads))


def test_a_caller_who_stops_leaves_each_thread_the_piece_that_it_is_at() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.001)

    for _ in in_threads(work, 2_000, 4):
        break
    time.sleep(0.02)
    seen = len(begun)
    time.sleep(0.02)
    assert len(begun) == seen < 200


# Raises an interrupt in the main thread after each number of lines that it runs in this module and in those of Python
# that it calls: the process has to end each time, and all threads with it.
INTERRUPTED = """
import sys
from pytest_robustness.core.threads import divided, in_threads

class Trace:
    def __init__(self, left):
        self.left = left
    def __call__(self, frame, event, argument):
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self

ended = False
for after in range(1, 2000):
    try:
        sys.settrace(Trace(after))
        WORK
        sys.settrace(None)
        ended = True
    except KeyboardInterrupt:
        sys.settrace(None)
    if ended:
        break
print("interrupted", after - 1, "times")
"""


@pytest.mark.parametrize(
    "work", ["list(in_threads(lambda number: number, 64, 2))", "divided(lambda number: number, 64, 3)"]
)
def test_an_interrupt_at_any_line_ends_the_work(work: str) -> None:
    script = INTERRUPTED.replace("WORK", work)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    _, times, _ = run.stdout.split()
    assert int(times) > 20  # beside a busy machine the other threads leave the main thread few pieces, and few lines


@pytest.mark.parametrize("parts", [0, 1, 2, 50])
def test_work_is_divided_without_loss_or_repetition(parts: int) -> None:
    done: list[int] = []
    divided(done.append, parts, 3)
    assert sorted(done) == list(range(parts))


def test_a_thread_that_does_not_start_is_not_waited_for() -> None:
    go_on = threading.Event()
    busy: list[threads._Task] = [threads._Task(lambda: go_on.wait(30)) for _ in range(8)]
    threads._helpers(os.getpid()).begin(busy)
    done: list[int] = []
    divided(done.append, 5, 2)
    assert done == [0, 1, 2, 3, 4]
    go_on.set()
    for task in busy:
        task.settled()


def test_an_error_of_another_thread_is_raised_here() -> None:
    here, there = threading.get_ident(), threading.Event()

    def work(part: int) -> None:
        if threading.get_ident() != here:
            there.set()
            raise ValueError(f"part {part}")
        there.wait(30)

    with pytest.raises(ValueError, match="part"):
        divided(work, 2, 2)


def test_ctrl_c_is_no_error_of_another_thread() -> None:
    here, there, stopped = threading.get_ident(), threading.Event(), threading.Event()

    def work(part: int) -> None:
        if threading.get_ident() == here:
            there.wait(30)
            stopped.set()
            raise KeyboardInterrupt
        there.set()
        stopped.wait(30)
        raise ValueError(f"part {part}")

    with pytest.raises(KeyboardInterrupt):
        divided(work, 2, 2)


def test_after_an_error_no_further_part_is_begun() -> None:
    done: list[int] = []

    def work(part: int) -> None:
        done.append(part)
        if part == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        divided(work, 1_000_000, 2)
    assert len(done) < 1_000_000
