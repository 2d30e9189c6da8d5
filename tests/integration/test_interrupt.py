"""Ctrl-C in the middle of a sweep keeps what was finished; the next run goes on from there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests import warm

CONFTEST = """
import os, time
from pathlib import Path


def pytest_robustness_register(registry):
    @registry.transform("slow", version=1)
    def slow(images):
        if len(images) <= 3:  # it is called again on a few, to see that it changes each by itself
            return images.flip(-2)
        batches = Path("batches.txt")
        if "HOLD" in os.environ and batches.exists() and len(batches.read_text().split()) >= 9:
            held = Path(f"held.{os.getpid()}")
            held.write_text(str(os.getpid()))
            held.rename("held")
            time.sleep(60)
        with batches.open("a") as file:
            print(len(images), file=file)
        return images.flip(-2)
"""
CONTROLLER = """

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        Path("controller").write_text(str(os.getpid()))
"""
ARGUMENTS = (
    "--rootdir=.",
    "--confcutdir=.",
    "--pyargs",
    "robustness_tests",
    "--robustness-data=digits",
    "--robustness-models=digits:alexnet",
    "--robustness-transforms=slow",
    "--robustness-batch-size=64",
)


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_computed_and_the_next_run_computes_the_rest_alone(project, monkeypatch):
    project.write("conftest.py", CONFTEST)
    monkeypatch.setenv("HOLD", "1")
    log = project.path / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen([*warm.python(), "-m", "pytest", *ARGUMENTS], stdout=file, stderr=file)
    # The 898 digits are a shard of 512 images, eight batches, and one of 386: the interrupt comes in the latter.
    deadline = time.monotonic() + 120
    while not (project.path / "held").exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    os.kill(int((project.path / "held").read_text()), signal.SIGINT)  # the forked process, which `process` ends with
    assert process.wait(timeout=30) == pytest.ExitCode.INTERRUPTED, log.read_text()
    assert "KeyboardInterrupt" in log.read_text()
    kept = project.stored()
    (said,) = re.findall(r"interrupted: (\d+) of 898 images are kept; the same command goes on", log.read_text())
    assert int(said) == min(kept.values())
    assert set(kept) == {("alexnet", name, None) for name in ("control", "slow")}
    # What was computed of the second shard is kept too.
    assert 9 * 64 == min(kept.values()) <= max(kept.values()) < 898
    assert not (project.path / "reports").exists()

    monkeypatch.delenv("HOLD")
    result = project.run(*ARGUMENTS)
    assert result.parseoutcomes().keys() <= {"passed", "failed"}
    result.stdout.fnmatch_lines([f"robustness: sweep of {898 - min(kept.values())} images, 2 cells"])
    assert set(project.stored().values()) == {898}
    assert (project.table("accuracy.csv").groupby("transform").n.sum() == 898).all()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
def test_workers_keep_what_they_computed_when_the_controller_ends(project, number):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    project.write("conftest.py", CONFTEST.replace('"HOLD" in os.environ and ', "").replace("time.sleep(60)", "wait()"))
    with (project.path / "conftest.py").open("a") as file:
        # In short steps: a signal is to find Python, not a long call.
        file.write("\n\ndef wait():\n    for _ in range(600):\n        time.sleep(0.1)\n")
        file.write(CONTROLLER)
    log = project.path / "log.txt"
    with log.open("w") as file:
        arguments = [*ARGUMENTS, "-n2", "-p", "no:cacheprovider"]
        process = subprocess.Popen([*warm.python(), "-m", "pytest", *arguments], stdout=file, stderr=file)
    deadline = time.monotonic() + 120
    while not (project.path / "held").exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    os.kill(int((project.path / "controller").read_text()), getattr(signal, number))
    code = process.wait(timeout=30)
    assert code == (pytest.ExitCode.INTERRUPTED if number == "SIGTERM" else -signal.SIGKILL), log.read_text()
    deadline = time.monotonic() + 20  # of one that is killed the workers hear later
    # Of nine calls, each worker made one to see that the transform draws nothing, and one may have been under way.
    while min(project.stored().values(), default=0) < 5 * 64 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert min(project.stored().values(), default=0) >= 5 * 64, log.read_text()
