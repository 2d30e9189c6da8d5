"""Ctrl-C while a block holds it back, and while decoding processes are asked."""

from __future__ import annotations

import signal
import threading

import pytest

from pytest_robustness.inference.decoding import answers
from pytest_robustness.inference.interrupts import interrupts_held


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_takes_effect_at_the_end_of_the_block():
    handler, done = signal.getsignal(signal.SIGINT), []

    def block() -> None:
        with interrupts_held():
            interrupt()
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["the rest of the block"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_one_takes_effect_at_once():
    handler, done = signal.getsignal(signal.SIGINT), []

    def block() -> None:
        with interrupts_held():
            interrupt()
            interrupt()
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == []
    assert signal.getsignal(signal.SIGINT) is handler


def test_without_one_nothing_changes_and_an_error_goes_through():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), interrupts_held():
        _ = 1 / 0
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_handler_of_whoever_had_one_is_the_one_that_is_called():
    called = []
    before = signal.signal(signal.SIGINT, lambda number, _: called.append(number))
    try:
        with interrupts_held():
            interrupt()
            assert called == []
        assert called == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_than_the_main_one_holds_nothing():
    entered = []

    def enter() -> None:
        with interrupts_held():
            entered.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.getsignal(signal.SIGINT)]


class Echo:
    """A reader whose answer is the request."""

    def __getitem__(self, request: int) -> int:
        return request


def test_decoding_processes_are_asked_in_full_before_an_interrupt_takes_effect():
    asked = []

    def requests():
        for number in range(100):
            if number == 5:
                interrupt()  # as if it came while the loader puts requests into its queues
            asked.append(number)
            yield number

    found = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(answers(Echo(), requests(), workers=1))
    assert asked == list(range(6))
    assert found == list(range(len(found)))
