"""Work that is divided among threads is done once each, and nobody waits for a thread that does not run."""

import os
import threading

import pytest

from pytest_robustness.core import threads


@pytest.mark.parametrize("parts", [0, 1, 2, 50])
def test_work_is_divided_without_loss_or_repetition(parts: int) -> None:
    done: list[int] = []
    threads.divided(done.append, parts, 3)
    assert sorted(done) == list(range(parts))


def test_a_thread_that_does_not_start_is_not_waited_for() -> None:
    go_on = threading.Event()
    pool = threads._pool(1, os.getpid())
    busy = pool.submit(go_on.wait, 30)
    done: list[int] = []
    threads.divided(done.append, 5, 2)
    assert done == [0, 1, 2, 3, 4]
    assert not busy.done()
    go_on.set()


def test_an_error_of_another_thread_is_raised_here() -> None:
    here, there = threading.get_ident(), threading.Event()

    def work(part: int) -> None:
        if threading.get_ident() != here:
            there.set()
            raise ValueError(f"part {part}")
        there.wait(30)

    with pytest.raises(ValueError, match="part"):
        threads.divided(work, 2, 2)


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
        threads.divided(work, 2, 2)


def test_after_an_error_no_further_part_is_begun() -> None:
    done: list[int] = []

    def work(part: int) -> None:
        done.append(part)
        if part == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        threads.divided(work, 1_000_000, 2)
    assert len(done) < 1_000_000
