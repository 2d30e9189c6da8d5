"""Ray and pytest-xdist: whatever computes, and whatever of it is killed, the table is that of one process.

Two nodes are simulated on this machine. ``benchmarks/executors.py`` has every way to compute, ``benchmarks/kills.py``
ten kills of each kind.
"""

from __future__ import annotations

import importlib
import random
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests import warm

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The modules ``thousand``, ``nodes`` and ``kills`` of ``benchmarks/``, by attribute of the last.

    The runs that they start are forked from a process that has imported PyTorch.
    """
    python = tmp_path_factory.mktemp("warm") / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.join(warm.python())} "$@"\n')
    python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        kills = importlib.import_module("kills")
        patch.setattr(kills.thousand, "sys", SimpleNamespace(executable=str(python)))
        yield kills


@pytest.fixture(scope="module")
def nodes(scripts):
    pytest.importorskip("ray", reason="needs the extra ray")
    made = scripts.Nodes()
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected(scripts, tmp_path_factory) -> bytes:
    """The table of one process."""
    plain = scripts.thousand.make(tmp_path_factory.mktemp("plain"))
    scripts.thousand.judge(plain, "run")
    return scripts.thousand.table(plain, "run")


def test_ray_on_this_machine_gives_the_table_of_one_process_and_no_word_of_its_own(scripts, expected, tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    thousand = scripts.thousand
    printed = thousand.judge(thousand.make(tmp_path), "run", "--robustness-executor=ray", "-Werror")
    assert thousand.table(tmp_path, "run") == expected
    assert thousand.computed_twice(tmp_path) == thousand.stored_twice(tmp_path, "run") == 0
    assert len({process for process, *_ in thousand.calls(tmp_path)}) == 1
    lines = printed.splitlines()
    assert "robustness: sweep of 1,003 images, 6 cells" in lines
    assert "Models ran on cpu with eager fp32, by 1 Ray actor on 1 node." in lines
    assert not [line for line in lines if "raylet" in line or "ray.io" in line or "core_worker" in line]


@pytest.mark.parametrize("kind", ["worker", "actor", "node", "driver"])
def test_a_kill_loses_nothing_and_costs_a_shard(scripts, expected, tmp_path, kind, request):
    if kind == "worker":
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    nodes = None if kind == "worker" else request.getfixturevalue("nodes")
    work = scripts.thousand.make(tmp_path, seconds=0.15)
    kill = scripts.kill_once(work, kind, random.Random(f"a test {kind}"), expected, nodes)
    assert kill.sound, kill
    assert kill.stored_twice == 0
    assert kill.survived == (kind != "driver")


def test_a_node_that_lacks_the_data_is_named_before_anything_is_computed(scripts, tmp_path, nodes):
    thousand = scripts.thousand
    work = thousand.make(tmp_path)  # with photos/ in it; the nodes have this process' home
    process = thousand.start(work, "--robustness-data=folder:~/photos", *nodes.options, HOME=str(tmp_path))
    printed = " ".join(process.communicate()[0].split())
    assert "Ray's node " in printed
    assert "cannot compute: " in printed
    assert f"{Path.home() / 'photos'} does not exist" in printed
    assert thousand.calls(work) == []
