"""However the tests are dealt out to workers, the controller reports what one process reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core import Cell, Condition, Panel
from pytest_robustness.frontends.plugin.configuration import resolve_options
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.frontends.session.session import RobustnessSession
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = ("python:nets.py:slope", "python:nets.py:colour")
CONDITIONS = (Condition("vflip"), Condition("hflip"))
TESTS: list[Cell | Panel] = [
    *(Cell(model, condition) for condition in CONDITIONS for model in MODELS),
    *(Panel(condition, MODELS) for condition in CONDITIONS),
]
EVERY = range(len(TESTS))


@pytest.fixture
def process(project) -> Callable[[str], RobustnessSession]:
    """Return what makes the session of a process: each has collected every test."""
    sessions = []

    def make(name: str) -> RobustnessSession:
        config = project.pytester.parseconfig(f"--robustness-report={name}", f"--robustness-store={name[0]}.sqlite")
        sessions.append(RobustnessSession(resolve_options(config), builtin(), SilentProgress))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def judge(session: RobustnessSession, test: Cell | Panel) -> None:
    """Ask for the finding of one collected test."""
    if isinstance(test, Cell):
        session.model_test(test)
    else:
        session.class_test(test)


def handed_over(log: RunLog, since: tuple[int, ...] = (0,) * 5) -> RunLog:
    """Return what the controller receives of a worker's log."""
    return RunLog.unpack(json.loads(json.dumps(log.since(*since).pack())))


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param([EVERY[::2], EVERY[1::2]], id="one after the other"),
        pytest.param([EVERY[3:], EVERY[2::-1]], id="out of order"),
        pytest.param([EVERY, EVERY[:0], EVERY], id="two run everything and one nothing"),
    ],
)
def test_any_distribution_gives_the_report_of_one_process(project, process, shares):
    single = process("single")
    single.plan(TESTS)
    for test in TESTS:
        judge(single, test)
    assert single.write_reports()
    controller = process("workers/controller")
    for number, share in enumerate(shares):
        worker = process(f"workers/{number}")
        worker.plan(TESTS)
        for position in share:
            before = worker.run_log.length
            judge(worker, TESTS[position])
            controller.run_log.merge(handed_over(worker.run_log, before))
        if number:  # the first one is killed, and hands over no more than its reports did
            controller.run_log.merge(RunLog.unpack(worker.run_log.pack()))
    assert controller.write_reports()
    for name in ("accuracy.csv", "tests.csv"):
        assert project.table(name, "workers/controller").equals(project.table(name, "single")), name


def test_the_report_has_the_models_of_every_worker(project, process):
    controller = process("workers/controller")
    for model in MODELS:
        worker = process(f"workers/{model[-5:]}")
        worker.class_test("vflip", models=[model])
        controller.run_log.merge(handed_over(worker.run_log))
    assert controller.write_reports()
    models = project.results("workers/controller")["models"]
    assert {row["model"]: len(row["fingerprint"]) for row in models} == dict.fromkeys(MODELS, 64)
