"""A user's code cannot end the process, nor hold it for ever, nor change it for others."""

from __future__ import annotations

import _thread
import contextlib
import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pytest_robustness.core.errors import ModelError, TransformError
from pytest_robustness.inference.user_calls import calls as user_calls
from pytest_robustness.inference.user_calls import deadline, handlers
from pytest_robustness.inference.user_calls.calls import UserCalls
from pytest_robustness.inference.user_calls.handlers import unwrapped
from pytest_robustness.inference.user_calls.last_words import Diary
from tests.signals import signalled_after


def test_a_change_is_restored_and_warned_of_once():
    warnings = []
    calls = UserCalls(print, warn=warnings.append)
    for _ in range(3):
        with calls.call("python:nets.py:net", "under vflip", batch=True):
            os.environ["SURPRISE"] = "1"
            torch.set_default_dtype(torch.float64)
        assert "SURPRISE" not in os.environ
        assert torch.get_default_dtype() == torch.float32
    (text,) = warnings
    assert text == (
        "python:nets.py:net changed the process: environment variables (SURPRISE), PyTorch's default dtype; restored "
        "after the call, so that nothing else depends on it"
    )


def process_state():
    """Return what a call of a user's code replaces for its time, in the whole process."""
    return {
        "streams": (sys.stdout, sys.stderr),
        "exit": os._exit,
        "putenv": os.putenv,
        "path": list(sys.path),
        "folder": Path.cwd(),
        "filters": list(warnings.filters),
        "draws": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "torch": bytes(torch.get_rng_state().numpy()),
    }


@pytest.mark.parametrize("subject", ["python:nets.py:net", "the transform vflip"])
def test_calls_of_several_threads_leave_the_process_as_it_was(subject):
    before, changes = process_state(), []

    def judge(number: int) -> None:
        calls = UserCalls(changes.append)
        for _ in range(4):
            with calls.call(subject):
                time.sleep(0.01 * (number + 1))  # so that one begins while another runs, and ends after it
                random.random()
                torch.rand(1)

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(judge, range(3))] == 3 * [None]
    after = process_state()
    assert {name for name, state in before.items() if state != after[name]} == set()
    assert changes == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (lambda: sys.exit(3), "tried to end the process: SystemExit: 3"),
        (lambda: os._exit(3), "tried to end the process: ExitError: os._exit(3)"),
        (lambda: pytest.skip("no weights"), "tried to end the process: Skipped: no weights"),
    ],
)
def test_an_attempt_to_end_the_process_is_the_codes_own_error(fault, text):
    leave = os._exit
    with pytest.raises(TransformError) as caught, UserCalls(print).call("the transform fog", error=TransformError):
        fault()
    assert str(caught.value).startswith(f"the transform fog {text}")
    assert os._exit is leave


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)
    time.sleep(1)


def raise_interrupt():
    raise KeyboardInterrupt


def test_a_keyboard_interrupt_of_the_code_is_its_error_and_ctrl_c_is_not():
    with pytest.raises(ModelError, match="net raised KeyboardInterrupt"), UserCalls(print).call("net"):
        raise_interrupt()
    with pytest.raises(KeyboardInterrupt), UserCalls(print).call("net"):
        press_ctrl_c()


@pytest.mark.parametrize("timeout", [None, 600.0])
def test_ctrl_c_is_never_the_codes_and_leaves_no_deadline_that_ends_the_process_later(timeout):
    before, leave = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}, os._exit
    threads = _thread._count()
    files = [module.__file__ for module in (user_calls, handlers, deadline, signal, threading)]

    def call():
        with UserCalls(print, timeout=timeout).call("net", batch=True):
            pass

    for calls in itertools.count(1):
        try:
            assert not signalled_after(calls, call, files)
        except KeyboardInterrupt:
            continue
        finally:
            gc.collect()
            for number, handler in before.items():
                signal.signal(number, handler)
            assert os._exit is leave, calls
            assert signal.getitimer(signal.ITIMER_REAL) == (0, 0), calls
            assert no_more_than(threads), calls
        break
    assert calls > 40


def no_more_than(threads):
    """Say whether the threads that were started since come to their end, which they have been told of."""
    end = time.monotonic() + 5
    while _thread._count() > threads and time.monotonic() < end:
        time.sleep(0.001)
    return _thread._count() <= threads


class Late(BaseException):
    """As an outcome of pytest, which the handler of a time limit raises."""


def ring(_, __):
    raise Late


def sound(_, __):
    raise TimeoutError("of the project's own")


@pytest.fixture(params=["SIGALRM", "SIGTERM", "SIGUSR1"])
def handled(request):
    """A signal, and what sets a function to handle it until the test ends."""
    if not hasattr(signal, request.param):
        pytest.skip(f"no {request.param} here")
    number = getattr(signal, request.param)
    before = signal.getsignal(number)
    yield number, lambda handler: signal.signal(number, handler)
    signal.signal(number, before)


def test_what_the_handler_of_a_signal_raises_passes_whatever_the_code_makes_of_it(handled):
    number, handle = handled
    handle(ring)

    def plain():
        signal.raise_signal(number)

    def swallows():
        with contextlib.suppress(BaseException):
            signal.raise_signal(number)

    def turns():
        try:
            signal.raise_signal(number)
        except BaseException as error:
            raise ValueError from error

    for code in (plain, swallows, turns):
        with pytest.raises(Late), UserCalls(print).call("net"):
            code()
        assert signal.getsignal(number) is ring


def test_an_ordinary_exception_of_a_handler_is_not_taken_for_the_codes(handled):
    number, handle = handled
    handle(sound)

    def judged():
        try:
            with UserCalls(print).call("net"), UserCalls(print).call("within"):
                signal.raise_signal(number)
        except Exception as error:
            raise AssertionError from error

    with pytest.raises(TimeoutError, match="of the project's own"), unwrapped():
        judged()


def test_a_handler_that_sets_another_one_is_no_fault_of_the_code(handled):
    number, handle = handled
    handle(lambda *_: handle(ring))
    with UserCalls(print).call("net"):
        signal.raise_signal(number)
    assert signal.getsignal(number) is ring

    def twice():
        signal.raise_signal(number)
        signal.raise_signal(number)

    handle(lambda *_: handle(ring))
    with pytest.raises(Late), UserCalls(print).call("net"):
        twice()
    handle(lambda *_: handle(signal.SIG_IGN))
    with UserCalls(print).call("net"):
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_IGN


def test_a_handler_that_the_code_sets_is_not_kept(handled):
    number, handle = handled
    handle(ring)
    with UserCalls(print).call("python:net.py:net"):
        signal.signal(number, sound)
    assert signal.getsignal(number) is ring


def test_a_handler_that_raises_nothing_leaves_the_codes_own_faults(handled):
    number, handle = handled
    rung = []
    handle(lambda *_: rung.append(1))

    def code():
        signal.raise_signal(number)
        sys.exit(3)

    def interrupted():
        signal.raise_signal(number)
        raise KeyboardInterrupt

    for ends in (code, interrupted):
        with pytest.raises(ModelError), UserCalls(print).call("net"):
            ends()
    assert rung == [1, 1]


def test_what_a_compiler_changes_is_restored_and_nobodys_fault(monkeypatch):
    monkeypatch.delenv("ROBUSTNESS_TEST", raising=False)
    warnings = []
    calls = UserCalls(print, warn=warnings.append)
    for blamed, named in ((False, 0), (True, 1)):
        with calls.call("python:net.py:net", "(when it was prepared)", blamed=blamed):
            os.environ["ROBUSTNESS_TEST"] = "1"
        assert "ROBUSTNESS_TEST" not in os.environ
        assert len(warnings) == named


def test_a_child_of_the_code_may_exit():
    with UserCalls(print).call("net"):
        child = os.fork()
        if child == 0:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def wait_for_ever():
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer of signals here")
def test_a_batch_that_takes_too_long_is_given_up():
    calls = UserCalls(print, timeout=0.2)
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ModelError) as caught, calls.call("net", "under vflip", batch=True):
        wait_for_ever()
    assert str(caught.value) == (
        "net under vflip took longer than --robustness-timeout=0.2 s for one batch, and is given up. Allow more time, "
        "or leave it out."
    )
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with calls.call("net", "under vflip", batch=True):
        pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer of signals here")
def test_the_timer_of_another_plugin_goes_on():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with UserCalls(print, timeout=30).call("net", batch=True):
            pass
        time.sleep(0.4)
        assert rung == [1]
    finally:
        signal.signal(signal.SIGALRM, before)


NEVER_RETURNS = """
import ctypes, signal
from pytest_robustness.inference.user_calls.calls import UserCalls
with UserCalls(print, timeout=0.5).call("net", "under vflip", batch=True):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    ctypes.{library}(None).pause()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signals of POSIX here")
@pytest.mark.parametrize(
    ("library", "said"),
    [("CDLL", "robustness: net under vflip takes longer than --robustness-timeout=0.5"), ("PyDLL", "Timeout (0:00:01")],
    ids=["without the lock of the interpreter", "with it"],
)
def test_a_process_whose_code_never_returns_ends_and_says_why(library, said):
    script = NEVER_RETURNS.format(library=library)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "<string>" in done.stderr  # the stack


def test_what_ran_when_two_processes_of_the_run_died_is_left_out(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from pytest_robustness.inference.user_calls.last_words import Diary;"
        "Diary(Path(sys.argv[1]), 'run').write('net', 'net under vflip'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, timeout=60)
    with UserCalls(print, diary=Diary(tmp_path, "run")).call("net", "under hflip", batch=True):
        pass  # a single death may have another reason
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, timeout=60)
    calls = UserCalls(print, diary=Diary(tmp_path, "run"))
    died = "net under vflip was running when two processes of this run died"
    with pytest.raises(ModelError, match=died), calls.call("net", "under hflip", batch=True):
        pass
    with calls.call("other", "under hflip", batch=True):
        pass
