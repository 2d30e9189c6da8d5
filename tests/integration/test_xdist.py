"""Several processes of pytest-xdist: one plan, one sweep, one report."""

from __future__ import annotations

import pytest

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

# Else all images were one shard, for one worker.
SMALL_SHARDS = """
import pytest_robustness.inference.sweep as sweep

sweep.SHARD_SIZE = 4
"""

# Dies, by a signal that no process can catch, in the first worker that comes by; once.
DIE_ONCE = """
import os, pathlib, signal

def die_once(name):
    try:
        pathlib.Path(name).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def spread(project):
    """Return a project that one process has judged, and whose 40 images are ten shards from then on."""
    project.configure(addopts="-p no:hypothesispytest -p no:cacheprovider")
    project.judge().assert_outcomes(failed=1, passed=5)
    project.write("conftest.py", SMALL_SHARDS)
    return project


@pytest.mark.parametrize("mode", ["load", "worksteal", "loadscope", "loadfile", "loadgroup", "each"])
def test_every_way_to_distribute_reports_what_one_process_reports(spread, mode):
    tables = {name: spread.table(name) for name in ("accuracy.csv", "tests.csv")}
    workers = ["--tx=2*popen", "--dist=each"] if mode == "each" else ["-n2", f"--dist={mode}"]
    spread.judge_apart(*workers, "--robustness-store=other.sqlite", "--robustness-report=other")
    for name, table in tables.items():
        assert spread.table(name, "other").equals(table), name


def test_the_sweep_is_shared_and_the_controller_alone_tells_of_it(spread):
    alone = spread.forwards
    result = spread.judge_apart("-n2", "--robustness-store=other.sqlite", "--robustness-report=other")
    result.assert_outcomes(failed=1, passed=5)
    result.stdout.fnmatch_lines(["slope * -100.0[*] *", "Report: other"])
    assert result.stdout.str().count("robustness: sweep of 40 images, 6 cells") <= 1
    # Every process counts the outputs on an image of its own; the sweep is done once.
    assert spread.forwards == 2 * alone + 1


def test_a_worker_that_is_killed_in_the_sweep_costs_its_test_and_its_shard(spread):
    tables = {name: spread.table(name) for name in ("accuracy.csv", "tests.csv")}
    nets = (spread.path / "nets.py").read_text()
    spread.write("death.py", DIE_ONCE)
    spread.write(
        "nets.py",
        nets.replace("import torch\n", "import torch\nfrom death import die_once\n", 1).replace(
            "    def forward(self, images):\n        with open",
            "    def forward(self, images):\n        die_once('slain')\n        with open",
        ),
    )
    spread.configure(addopts="-p no:hypothesispytest -p no:cacheprovider", pythonpath=".")
    result = spread.judge_apart("-n2", "--robustness-store=other.sqlite", "--robustness-report=other")
    assert (spread.path / "slain").exists()
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running *"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert spread.table("accuracy.csv", "other").equals(tables["accuracy.csv"])


def test_what_a_worker_tested_before_it_was_killed_is_in_the_report(spread):
    tables = spread.table("tests.csv")
    spread.write("death.py", DIE_ONCE)
    spread.write(
        "conftest.py",
        SMALL_SHARDS
        + """
from death import die_once


class Killer:
    done = 0

    def pytest_runtest_logfinish(self):
        self.done += 1
        if self.done == 2:
            die_once("slain")


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Killer())
""",
    )
    spread.configure(addopts="-p no:hypothesispytest -p no:cacheprovider", pythonpath=".")
    result = spread.judge_apart("-n2", "--robustness-store=other.sqlite", "--robustness-report=other")
    assert (spread.path / "slain").exists()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    tested = spread.table("tests.csv", "other")
    models = tested[tested["kind"] == "model"]
    crashed = result.stdout.str().count("crashed while running")
    assert len(models) >= len(tables[tables["kind"] == "model"]) - crashed


def test_the_report_knows_the_models_of_every_worker(spread):
    for model in ("slope", "colour"):
        spread.write(
            f"test_{model}.py",
            f"""
            def test_one(robustness):
                robustness.class_test("vflip", models=["python:nets.py:{model}"])
            """,
        )
    result = spread.pytester.runpytest_subprocess("test_slope.py", "test_colour.py", "-n2", "--dist=loadfile")
    result.assert_outcomes(passed=2)
    assert {row["model"]: len(row["fingerprint"]) for row in spread.results()["models"]} == {
        "python:nets.py:slope": 64,
        "python:nets.py:colour": 64,
    }


def test_what_nobody_planned_is_in_the_report_of_a_worker_that_was_killed(spread):
    spread.write(
        "test_mine.py",
        """
        import os

        def test_first(robustness):
            robustness.model_test("python:nets.py:tilt", "rotation", 5)

        def test_last():
            os._exit(1)
        """,
    )
    result = spread.pytester.runpytest_subprocess("test_mine.py", "-n1", "--max-worker-restart=0")
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert [(row["model"], row["severity"]) for row in spread.results()["model_tests"]] == [("python:nets.py:tilt", 5)]
