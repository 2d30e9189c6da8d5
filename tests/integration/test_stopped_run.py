"""A run that Ctrl-Z stopped holds its images: another one on the same store says so, and goes on when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import warm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not say what is stopped"),
]

CONFTEST = """
import os, signal


def pytest_robustness_register(registry):
    @registry.transform("stopping", version=1)
    def stopping(images):
        if "STOP" in os.environ:
            with open("stopped.txt", "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)
        return images.flip(-1)
"""
ARGUMENTS = ("-m", "pytest", "--rootdir=.", "--confcutdir=.", "--pyargs", "robustness_tests")


def until(happened, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 240
    while not happened():
        assert time.monotonic() < end, log.read_text()
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)


def stopped(pid: Path) -> bool:
    """Return whether the process that has written its number to the file ``pid`` is stopped."""
    number = pid.read_text() if pid.exists() else ""
    return bool(number) and Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("distribution", [(), ("-n1",)], ids=["alone", "with a worker"])
def test_another_run_says_who_is_waited_for_and_goes_on_when_that_one_is_killed(project, distribution):
    if distribution:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    project.write("conftest.py", CONFTEST)
    project.configure(robustness_transforms="stopping", robustness_models="python:nets.py:slope")
    command = [*warm.python(), *ARGUMENTS]
    log, number = project.path / "log.txt", project.path / "stopped.txt"
    with contextlib.ExitStack() as stack:
        first_log = stack.enter_context((project.path / "first.txt").open("wb"))
        first = subprocess.Popen(command, cwd=project.path, env=os.environ | {"STOP": "1"}, stdout=first_log)
        stack.callback(first.kill)
        until(lambda: stopped(number), first, project.path / "first.txt")
        pid = int(number.read_text())  # of the process that was forked, whose end `first` hears of
        file = stack.enter_context(log.open("wb"))
        other = subprocess.Popen([*command, *distribution], cwd=project.path, stdout=file, stderr=file)
        stack.callback(other.kill)
        until(lambda: "waiting for images" in log.read_text(), other, log)
        (line,) = [line for line in log.read_text().splitlines() if "waiting for images" in line]
        assert f"of process {pid} (" in line
        assert f"is stopped, by Ctrl-Z perhaps: fg or kill -CONT {pid} lets it go on, kill -9 {pid}" in line
        os.kill(pid, signal.SIGKILL)
        first.wait(timeout=60)
        assert other.wait(timeout=240) in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), log.read_text()
    # While it dies, it may be seen to go on: that is said too, and nobody else is named.
    waits = [line for line in log.read_text().splitlines() if "waiting for images" in line]
    assert all(f"of process {pid} (" in line for line in waits), waits
    assert set(project.table("accuracy.csv")["n"]) == {20}
