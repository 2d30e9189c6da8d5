"""Forked processes are what those are that start by themselves: program, streams, surroundings, end."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import warm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone"),
]

SHOWN = """
import os, random, sys, warnings
import numpy
print(sys.argv, os.path.abspath(sys.path[0]), sys.stdin.read(), os.environ.get("OWN"), os.getcwd(), flush=True)
print(sys.warnoptions, [f for f in warnings.filters if f[1:] == (None, Warning, None, 0)], flush=True)
print(globals().get("__file__"), flush=True)
print(sys.modules["__main__"].__name__, vars(sys.modules["__main__"]) is globals(), flush=True)
print(random.random(), numpy.random.random(), file=sys.stderr)
"""
SLEEP = "import time; print('here', flush=True); time.sleep(600)"


def run(python: tuple[str, ...], *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*python, *arguments], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    "program",
    [
        ["-c", SHOWN],
        ["-u", "-W", "ignore", "-c", SHOWN],
        ["-m", "shown"],
        ["-mshown"],
        ["shown.py"],
        ["-W", "error", "below/shown.py"],
    ],
    ids=str,
)
def test_a_forked_process_sees_what_another_would(tmp_path: Path, program: list[str]) -> None:
    (tmp_path / "below").mkdir()
    for file in ("shown.py", "below/shown.py"):
        (tmp_path / file).write_text(SHOWN, encoding="utf-8")
    options = {"cwd": tmp_path, "input": "given", "env": {"OWN": "variable"}}
    forked, cold, again = (
        run(python, *program, "one", "two words", **options)
        for python in (warm.python(), (sys.executable,), warm.python())
    )
    assert forked.stdout == cold.stdout
    assert forked.returncode == cold.returncode == 0
    assert len({forked.stderr, cold.stderr, again.stderr}) == 3  # random numbers


def test_a_program_is_read_from_standard_input() -> None:
    program = "import sys; print(sys.argv, __name__, __file__, repr(sys.stdin.read()))"
    forked, cold = (run(python, "-", "one", input=program) for python in (warm.python(), (sys.executable,)))
    assert forked.stdout == cold.stdout == "['-', 'one'] __main__ <stdin> ''\n"


@pytest.mark.parametrize(
    "end", ["raise SystemExit(3)", "import os; os._exit(7)", "1 / 0", "import os; os.kill(os.getpid(), 9)", ""], ids=str
)
def test_it_ends_as_another_would(end: str) -> None:
    forked, cold = (run(python, "-c", end) for python in (warm.python(), (sys.executable,)))
    assert forked.returncode == cold.returncode
    assert forked.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


def test_it_is_killed_with_its_client() -> None:
    with subprocess.Popen([*warm.python(), "-c", SLEEP], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"here\n"
        process.kill()
        assert process.stdout.read() == b""  # at the end of the last process that holds the stream
    assert process.returncode == -signal.SIGKILL
