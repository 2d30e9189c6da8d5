"""The controller of xdist numbers its workers, by which they take the GPUs in turn."""

from __future__ import annotations

import pytest

from pytest_robustness.frontends.plugin.xdist import PROCESS, XdistHooks
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.inference.run_log import RunLog


class Worker:
    """What xdist hands to hooks of a worker; a worker is equal to itself alone."""

    def __init__(self) -> None:
        self.workerinput: dict[str, object] = {"testrunuid": "one run"}


@pytest.fixture
def controller(tmp_path):
    hooks = XdistHooks(RunLog, tmp_path / "store.sqlite", SilentProgress)
    yield hooks
    hooks.pytest_unconfigure()


@pytest.mark.parametrize(
    ("ended", "numbers"),
    [([], [4, 5]), ([2], [2, 4]), ([0], [0, 4]), ([3, 1], [1, 3]), ([1, 1], [1, 4]), ([0, 1, 2, 3], [0, 1])],
)
def test_a_worker_that_replaces_another_takes_its_number_and_so_its_gpu(controller, ended, numbers):
    workers = [Worker() for _ in range(4)]
    for worker in workers:
        controller.pytest_configure_node(worker)
    assert [worker.workerinput[PROCESS] for worker in workers] == [0, 1, 2, 3]
    for number in ended:  # xdist says twice that a worker is gone which was interrupted
        controller.pytest_testnodedown(workers[number])
    late = [Worker(), Worker()]
    for worker in late:
        controller.pytest_configure_node(worker)
    assert [worker.workerinput[PROCESS] for worker in late] == numbers
