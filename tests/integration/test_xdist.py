"""Several processes of pytest-xdist: one plan, one sweep, one report.

How tests are dealt out to workers is the subject of ``tests/frontends/plugin/test_distribution.py``, which starts no
interpreter.
"""

from __future__ import annotations

import pytest

from tests.forwards import ASKED, FORMS

pytest.importorskip("xdist", reason="pytest-xdist is not installed")
pytestmark = pytest.mark.slow

# Ten shards, because all 40 images would be one, for one worker; and a sweep that takes long enough to be watched.
CONFTEST = """
import time
import pytest_robustness.inference.sweep.settings as settings

usual, settings.SHARD_SIZE = settings.SHARD_SIZE, 4


def pytest_unconfigure():
    settings.SHARD_SIZE = usual


def pytest_robustness_register(registry):
    @registry.transform("slow", version=1)
    def slow(images):
        time.sleep(0.4)
        return images.flip(-2)
"""

# Dies, by a signal that no process can catch, in the first worker that calls it; once.
DIE_ONCE = """
import os, pathlib, signal

def die_once(name):
    try:
        pathlib.Path(name).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
"""
OTHER = ("--robustness-store=other.sqlite", "--robustness-report=other")


@pytest.fixture(scope="module")
def judged(project_at, tmp_path_factory, everything_imported):
    """A project with an image that cannot be read, which one process has judged, and how many images its model saw.

    The controllers of the runs with workers are this process.
    """
    project = project_at(tmp_path_factory.mktemp("alone"))
    project.configure(
        addopts="-p no:hypothesispytest -p no:cacheprovider",
        pythonpath=".",
        robustness_transforms="slow hflip",
        robustness_on_bad_image="skip",
    )
    project.write("conftest.py", CONFTEST)
    project.image("up", 4).write_text("no image")
    project.judge().assert_outcomes(failed=2, passed=4)
    return project, project.forwards


@pytest.fixture(scope="module")
def alone(judged):
    """The project alone."""
    return judged[0]


@pytest.fixture(scope="module")
def together(alone):
    """What pytest printed of the same tests in two workers, and how many images the model saw in that run."""
    before = alone.forwards
    return alone.judge("-n2", *OTHER), alone.forwards - before


def test_two_workers_report_what_one_process_reports(alone, together):
    result, _ = together
    result.assert_outcomes(failed=2, passed=4)
    result.stdout.fnmatch_lines(["slope * -100.0[*]! *", "Report: other"])
    for name in ("accuracy.csv", "tests.csv"):
        assert alone.table(name, "other").equals(alone.table(name)), name


def test_two_workers_share_the_sweep(judged, together):
    (alone, once), (_, shared) = judged, together
    assert set(alone.stored("other.sqlite").values()) == {39}
    # Every process asks the model some images before it judges it; the sweep is done once.
    assert once < shared <= once + ASKED + FORMS


def test_the_controller_alone_shows_the_progress_and_each_note_once(alone, together):
    lines = [line for line in together[0].outlines if line.startswith("robustness: ")]
    assert lines[0] == "robustness: sweep of 40 images, 6 cells"
    assert lines.count(lines[0]) == 1
    # The image that cannot be read is never done.
    assert sum(line.startswith("robustness: 39 of 40 images done in ") for line in lines) == 1
    notes = [line for line in lines if "skipped: " in line]
    assert len(notes) == 1
    assert str(alone.image("up", 4)) in notes[0]


def test_a_worker_that_is_killed_in_the_sweep_costs_its_test_alone(alone):
    alone.write("death.py", DIE_ONCE)
    nets = (alone.path / "nets.py").read_text()
    dying = nets.replace("import torch\n", "import torch\nfrom death import die_once\n", 1).replace(
        "    def forward(self, images):\n        with open",
        "    def forward(self, images):\n        die_once('slain')\n        with open",
    )
    alone.write("dying.py", dying)
    result = alone.judge(
        "-n2",
        "--robustness-models=python:dying.py:slope,python:dying.py:colour",
        "--robustness-store=killed.sqlite",
        "--robustness-report=killed",
    )
    assert (alone.path / "slain").exists()
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running *"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    expected = alone.table("accuracy.csv").replace("python:nets.py", "python:dying.py", regex=True)
    assert alone.table("accuracy.csv", "killed").equals(expected)


def test_what_a_worker_tested_before_it_was_killed_is_in_the_report(alone):
    alone.write(
        "test_mine.py",
        """
        import os

        def test_planned(robustness, cell):
            robustness.model_test(cell)

        def test_unplanned(robustness):
            robustness.model_test("python:nets.py:tilt", "rotation", 5)

        def test_last():
            os._exit(1)
        """,
    )
    result = alone.run(
        "test_mine.py",
        "-n1",
        "--max-worker-restart=0",
        "--robustness-models=python:nets.py:slope",
        "--robustness-transforms=hflip",
        "--robustness-report=mine",
    )
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    # The store of this project has what the other tests here asked for.
    tests = [row for row in alone.results("mine")["model_tests"] if row["earlier"] is None]
    assert [(row["model"], row["transform"], row["severity"]) for row in tests] == [
        ("python:nets.py:slope", "hflip", None),
        ("python:nets.py:tilt", "rotation", 5),
    ]
