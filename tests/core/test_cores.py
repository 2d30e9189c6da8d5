"""As many cores are used as the affinity and the limits of control groups leave, whichever version and wherever."""

from __future__ import annotations

import os

import pytest
import torch

from pytest_robustness.core import cores
from pytest_robustness.core.cores import usable_cores
from pytest_robustness.inference.device import cores_shared
from pytest_robustness.inference.loader.loader import default_workers


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Set up a machine of 96 cores: what the process's groups are, and what is in the files of the tree."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)), raising=False)
    monkeypatch.setattr(cores, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(cores, "_OWN", tmp_path / "own")

    def make(own: str | None, files: dict[str, str]) -> None:
        if own is not None:
            (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        (None, {}, 96),
        ("0::/\n", {}, 96),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 96),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "20000000 100000\n"}, 96),
        ("0::/\n", {"cpu.max": "what\n"}, 96),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "600000 100000\n"}, 6),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n", "a/cpu.max": "600000 100000\n"}, 2),
        # A container that sees the group of its machine in the list, and its own at the root of the tree.
        ("0::/kubepods/pod1\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/../../pod1\n", {"cpu.max": "300000 100000\n"}, 3),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 96),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "800000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("4:cpu:/d\n0::/\n", {"cpu/d/cpu.cfs_quota_us": "50000\n", "cpu/d/cpu.cfs_period_us": "10000\n"}, 5),
        ("4:memory:/\n3:cpuset:/\n", {"cpu/cpu.cfs_quota_us": "1\n", "cpu/cpu.cfs_period_us": "1\n"}, 96),
    ],
)
def test_the_smallest_limit_counts(machine, own, files, expected):
    machine(own, files)
    assert usable_cores() == expected


def test_neither_threads_nor_decoding_processes_are_more_than_a_container_may_use(machine):
    machine("0::/\n", {"cpu.max": "400000 100000\n"})
    assert default_workers("cuda", 10_000, 120) == 3
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(96)
        with cores_shared(1):
            assert torch.get_num_threads() == 4
        with cores_shared(2):
            assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        with cores_shared(1):  # somebody asked for fewer
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
