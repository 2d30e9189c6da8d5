"""``--robustness-plan``: what the run would do, and nothing done."""

from __future__ import annotations

import re

import pytest

from pytest_robustness.inference.forecast import first_batches
from pytest_robustness.inference.loader.loader import batches

CELLS = {(model, transform, None) for model in ("slope", "colour") for transform in ("control", "vflip", "hflip")}


def stored_and_missing(result):
    found = re.search(r"([\d,]+) predictions? stored, ([\d,]+) missing", result.stdout.str())
    return tuple(int(count.replace(",", "")) for count in found.groups())


def test_it_says_what_the_run_then_does_and_does_nothing(project):
    result = project.judge("--robustness-plan")
    assert result.ret == 0
    assert project.stored() == {}
    assert not (project.path / "reports").exists()
    assert stored_and_missing(result) == (0, 6 * 40)
    result.stdout.fnmatch_lines(
        [
            "2 models: python:nets.py:slope, python:nets.py:colour",
            "3 conditions: control, vflip, hflip",
            "6 cells on 40 images: 0 predictions stored, 240 missing",
            "240 passes of models, 40 images to decode, 120 images to transform",
            "store: * now, about * after the run",
            "computed on cpu in fp32, runtime auto (eager fp32), executor local",
            "1 process with *",
            "time to compute: about *",
            "  loading models *, preparing *, decoding *, transforming *, models *, storing *",
            "    python:nets.py:*: * ms a pass, 120 passes; * s to prepare",
            "a margin of 10 points needs images: * where 2 % change, * there are 40",
        ]
    )
    project.judge()
    assert project.stored() == dict.fromkeys(CELLS, 40)


def test_only_what_is_missing_is_forecast_and_with_nothing_missing_the_answers_speak(project):
    project.judge("-k", "vflip")
    part = project.judge("--robustness-plan")
    assert stored_and_missing(part) == (4 * 40, 2 * 40)
    part.stdout.fnmatch_lines(["80 passes of models, 40 images to decode, 40 images to transform"])
    before = project.forwards
    whole = project.judge("--robustness-plan", "-k", "vflip")
    assert stored_and_missing(whole) == (4 * 40, 0)
    whole.stdout.fnmatch_lines(["nothing to compute: the store has it all"])
    whole.stdout.fnmatch_lines(["a margin of 10 points by stored answers: 2 of 2 pairs are decided"])
    assert project.forwards - before < 40  # the first answers of a model when it is loaded, and no batch
    assert whole.ret == 0


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("-k", "vflip"), 4 * 40),
        (("--robustness-limit=7",), 6 * 14),
        (("--robustness-models=python:nets.py:slope",), 120),
    ],
)
def test_it_counts_what_is_selected(project, arguments, missing):
    assert stored_and_missing(project.judge("--robustness-plan", *arguments)) == (0, missing)
    project.judge(*arguments)
    assert sum(project.stored().values()) == missing


def test_copies_of_an_image_count_once(project):
    project.image("up", 1).write_bytes(project.image("up", 0).read_bytes())
    assert stored_and_missing(project.judge("--robustness-plan")) == (0, 6 * 39)


def test_with_collect_only_the_tests_are_listed_too(project):
    result = project.judge("--robustness-plan", "--collect-only", "-q", "-k", "vflip")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_model_is_robust*vflip*", "4 cells on 40 images: *"])
    assert project.stored() == {}


def test_studies_are_named_that_add_more(project):
    result = project.judge("--robustness-plan", "--robustness-studies=turned_images,label_errors")
    result.stdout.fnmatch_lines(["not counted: what studies probe as they go (*turned_images*)"])


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--robustness-models=nothing_of_the_kind", "*'nothing_of_the_kind'*"),
        ("--robustness-data=folder:absent", "*absent*"),
        ("--robustness-plan=yes", "*--robustness-plan: ignored explicit argument 'yes'*"),
    ],
)
def test_errors_of_usage_are_those_of_a_run(project, argument, text):
    result = project.judge("--robustness-plan", argument)
    assert result.ret == 4
    result.stderr.fnmatch_lines([text])


def test_a_model_that_cannot_be_loaded_is_named_and_the_others_are_forecast(project):
    project.write("broken.py", "def net():\n    raise ValueError('no weights here')\n")
    result = project.judge("--robustness-plan", "--robustness-models=python:broken.py:net,python:nets.py:slope")
    assert result.ret == 1
    assert stored_and_missing(result) == (0, 3 * 40)
    result.stdout.fnmatch_lines(["cannot be computed: python:broken.py:net: *no weights here*"])


@pytest.mark.slow
def test_an_image_that_cannot_be_read_stops_it_as_it_stops_a_run(project):
    project.image("down", 3).write_bytes(b"no image")
    for arguments in ((), ("--robustness-plan",)):
        result = project.judge(*arguments)
        assert result.ret != 0
        assert "03.png" in result.stdout.str() + result.stderr.str()
    assert project.judge("--robustness-plan", "--robustness-on-bad-image=skip").ret == 0


def test_a_suite_without_such_tests_has_nothing_to_compute(project):
    project.write("test_mine.py", "def test_mine():\n    raise RuntimeError('ran')\n")
    result = project.run("--robustness-plan", "test_mine.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["no test that was collected asks for predictions: there is nothing to compute"])


@pytest.mark.slow
def test_with_several_processes_one_makes_the_forecast_of_all(project):
    pytest.importorskip("xdist")
    result = project.judge_apart("--robustness-plan", "-n", "2")
    assert result.ret == 0
    assert stored_and_missing(result) == (0, 240)
    result.stdout.fnmatch_lines(["2 processes with * each"])
    assert "created: 2/2 workers" not in result.stdout.str()
    assert project.stored() == {}


@pytest.mark.parametrize(("workers", "threads"), [("0", {None}), ("1", {1})])
def test_decoding_is_timed_as_it_will_be_done(project, monkeypatch, workers, threads):
    asked = set()

    def watched(*arguments, **named):
        asked.add(named["threads"])
        return batches(*arguments, **named)

    monkeypatch.setattr(first_batches, "batches", watched)
    assert project.judge("--robustness-plan", f"--robustness-workers={workers}").ret == 0
    assert asked == threads
