"""Settings of the whole process give way to the user, and are restored."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from pytest_robustness.core import process
from pytest_robustness.core.process import (
    ended_as_interrupted,
    interrupts_held,
    limit_openmp_spin,
    one_thread,
    quick_imports,
    warnings_ignored,
)
from tests.signals import signalled_after


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "3000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_openmp_spins_briefly_unless_the_environment_says_otherwise(monkeypatch, environment, expected):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    limit_openmp_spin()
    assert {name: os.environ[name] for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ} == expected
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)


def test_openmp_is_configured_before_pytorch_is_imported():
    script = """
import os, pathlib, sys
from pytest_robustness.inference.predictor import Predictor
from pytest_robustness.inference.settings import InferenceSettings
settings = InferenceSettings(
    data="digits", limit=None, seed=0, download=False, device="cpu", precision="fp32", runtime="auto", workers=0,
    batch_size=None, on_bad_image="error", store=pathlib.Path("never-opened.sqlite"),
)
Predictor(settings, None, None, None, progress=None, check=None, agree=None, provenance=None)
print("torch" in sys.modules, os.environ["GOMP_SPINCOUNT"])
"""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "False 3000\n", done.stderr


@pytest.mark.parametrize("before", [True, False])
def test_quick_imports_put_the_collector_back(before):
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with contextlib.suppress(ImportError), quick_imports():
            meanwhile = gc.isenabled()
            raise ImportError
        assert (meanwhile, gc.isenabled()) == (False, before)
    finally:
        (gc.enable if was else gc.disable)()


def test_what_was_imported_is_never_looked_at_again_and_nothing_else_is_kept(monkeypatch, tmp_path):
    (tmp_path / "module_of_mine.py").write_text("class Thing: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    frozen = gc.get_freeze_count()
    with quick_imports():
        import sys as known  # noqa: F401
    assert gc.get_freeze_count() == frozen
    with quick_imports():
        from module_of_mine import Thing
    assert gc.get_freeze_count() > frozen
    assert not any(found is Thing for found in gc.get_objects())


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


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no such signal here")
def test_the_alarm_of_a_time_limit_waits_too_and_ctrl_c_is_not_lost_beside_it():
    done = []

    def late(*_):
        done.append("the alarm")
        raise TimeoutError

    def block() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGALRM)
            interrupt()
            done.append("the rest of the block")

    before = signal.signal(signal.SIGALRM, late)
    try:
        with pytest.raises(KeyboardInterrupt):
            block()
        assert signal.getsignal(signal.SIGALRM) is late
    finally:
        signal.signal(signal.SIGALRM, before)
    assert done == ["the rest of the block", "the alarm"]


def signalled_in(context, calls, number):
    """Enter and leave ``context``, and raise a signal after so many calls; say whether there were as many."""

    def block():
        with context():
            pass

    files = [module.__file__ for module in (process, contextlib, signal)]
    return signalled_after(calls, block, files, number)


def ends_the_process():
    """Say whether SIGTERM ends this process, of which a child has the handlers."""
    with warnings.catch_warnings(action="ignore"):  # of threads that a forked process has not got
        child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def interrupts():
    """Say whether Ctrl-C raises its exception."""
    try:
        interrupt()
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no such signal here")
@pytest.mark.parametrize(
    ("context", "heard"), [(interrupts_held, interrupts), (ended_as_interrupted, ends_the_process)]
)
def test_a_time_limit_that_ends_while_handlers_are_set_loses_no_signal_that_comes_later(context, heard):
    def late(*_):
        raise TimeoutError

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    alarm = signal.signal(signal.SIGALRM, late)
    raised = 0
    try:
        for calls in itertools.count(1):
            try:
                if not signalled_in(context, calls, signal.SIGALRM):
                    break
            except TimeoutError:
                raised += 1
            assert heard(), calls
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.signal(signal.SIGALRM, late)
    finally:
        signal.signal(signal.SIGALRM, alarm)
    assert raised > 10


@pytest.mark.parametrize("second", [signal.SIG_IGN, lambda *_: None], ids=["none", "another"])
def test_the_handler_that_a_handler_sets_stays_whenever_its_signal_comes(second):
    def first(number, _):
        signal.signal(number, second)

    before = signal.getsignal(signal.SIGINT)
    try:
        for calls in itertools.count(1):
            signal.signal(signal.SIGINT, first)
            if not signalled_in(interrupts_held, calls, signal.SIGINT):
                break
            assert signal.getsignal(signal.SIGINT) is second, calls
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls > 30


@pytest.mark.parametrize(
    ("context", "number"), [(interrupts_held, signal.SIGINT), (ended_as_interrupted, signal.SIGTERM)]
)
def test_another_thread_than_the_main_one_changes_no_handler(context, number):
    seen = []

    def enter() -> None:
        with context():
            seen.append(signal.getsignal(number))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(number)]


def test_an_import_is_not_interrupted(monkeypatch, tmp_path):
    (tmp_path / "half.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "half", raising=False)
    with pytest.raises(KeyboardInterrupt), quick_imports():
        import half  # noqa: F401
    assert sys.modules["half"].whole


def test_one_thread_at_a_time_is_in_its_block_and_may_enter_another():
    state, worst = [0], [0]

    def change() -> None:
        for _ in range(50):
            with one_thread(contextlib.nullcontext()), one_thread(contextlib.nullcontext()):
                state[0] += 1
                worst[0] = max(worst[0], state[0])
                threading.Event().wait(0.0002)
                state[0] -= 1

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_that_is_forked_meanwhile_does_not_wait_for_a_thread_that_it_has_not_got():
    entered, end = threading.Event(), threading.Event()

    def hold() -> None:
        with one_thread(contextlib.nullcontext()):
            entered.set()
            end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    with warnings.catch_warnings(action="ignore"):  # of threads that a forked process has not got
        child = os.fork()
    if not child:
        signal.alarm(20)  # ends it where it waits
        with one_thread(contextlib.nullcontext()):
            os._exit(7)
    _, status = os.waitpid(child, 0)
    end.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 7


def test_a_request_to_end_interrupts_once_and_what_comes_after_is_not_cut_short():
    done = []

    def block() -> None:
        with ended_as_interrupted():
            try:
                signal.raise_signal(signal.SIGTERM)
                done.append("never")
            finally:
                signal.raise_signal(signal.SIGTERM)
                done.append("saved")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["saved"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("before", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_a_request_to_end_that_somebody_handles_stays_theirs(before):
    signal.signal(signal.SIGTERM, before)
    try:
        with ended_as_interrupted():
            assert signal.getsignal(signal.SIGTERM) is before
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked here")
def test_a_child_that_is_asked_to_end_ends():
    with ended_as_interrupted():
        child = os.fork()
        if not child:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


CHILD = """
import time
from pytest_robustness.core.process import end_with_parent
from pytest_robustness.inference.user_calls.calls import UserCalls
end_with_parent()
with UserCalls(print).call("a model"):
    print("called", flush=True)
    time.sleep(60)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say that a parent is gone")
def test_a_process_whose_parent_is_gone_ends_while_it_calls_a_model_too():
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "called\n"
        parent.kill()
        # Both have the pipe: it ends with the last of them.
        ended, _, _ = select.select([parent.stdout], [], [], 20)
        assert ended
        assert parent.stdout.read() == ""


SAVING = """
import pathlib, sys, time
from pytest_robustness.core.process import end_with_parent, ended_as_interrupted
from pytest_robustness.inference.user_calls.calls import UserCalls
end_with_parent(pathlib.Path(sys.argv[1]).exists)
try:
    with ended_as_interrupted(), UserCalls(print).call("a model"):
        print("called", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("saved", flush=True)
time.sleep(0 if sys.argv[2] == "ask" else 60)
"""
HOLDING = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say that a parent is gone")
@pytest.mark.parametrize("how", ["ask", "kill"])
def test_what_runs_keeps_its_work_where_its_parent_asks_or_is_killed(tmp_path, how):
    arguments = [sys.executable, "-c", HOLDING, SAVING, str(tmp_path / "end"), how]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "called\n"
        if how == "ask":
            (tmp_path / "end").touch()
        else:
            parent.kill()
        ended, _, _ = select.select([parent.stdout], [], [], 20)
        assert ended
        assert parent.stdout.read() == "saved\n"


def test_a_request_to_end_ends_at_once_where_nothing_is_lost():
    code = "import signal\nfrom pytest_robustness.core.process import ended_as_interrupted\n"
    code += "with ended_as_interrupted(lambda: False):\n    signal.raise_signal(signal.SIGTERM)\n"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGTERM


@pytest.mark.filterwarnings("error")
def test_warnings_that_several_threads_ignore_are_ignored_in_each():
    before, interval, heard = list(warnings.filters), sys.getswitchinterval(), []

    def warn() -> None:
        for _ in range(300):
            try:
                with warnings_ignored(RuntimeWarning, "no"):
                    warnings.warn("no loss", RuntimeWarning, stacklevel=1)
            except RuntimeWarning as warning:
                heard.append(warning)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=warn) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert heard == []
    assert warnings.filters == before
    with warnings_ignored(RuntimeWarning, "no"), pytest.raises(UserWarning, match="no other"):
        warnings.warn("no other", UserWarning, stacklevel=1)


def test_the_filters_of_warnings_are_set_in_one_place():
    """What sets them elsewhere takes no turn, and puts back what another thread has set."""
    root = Path(process.__file__).parents[1]
    users = {path.name for path in root.rglob("*.py") if "catch_warnings(" in path.read_text(encoding="utf-8")}
    assert users == {"process.py"}
