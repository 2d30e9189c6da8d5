"""The report of a run is built from its log and its store: in the order of the options, with the figures stored."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.studies.examiner import Examiner
from pytest_robustness.core import CONTROL, Cell, Condition, EngineUsed, Panel
from pytest_robustness.core.errors import BaselineError, DataError
from pytest_robustness.data import open_source
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from pytest_robustness.report.build import RunRecord, build_report, examples
from pytest_robustness.report.page import heat
from pytest_robustness.transforms import builtin
from tests.stored import put_answers, put_images

VFLIP, HFLIP, ZOOM = Condition("vflip"), Condition("hflip"), Condition("zoom", 3)
# The predicted class of each image; the nets' outputs are in the data's order. 20 images of each of two classes.
LABELS = np.repeat([0, 1], 20)
ANSWERS = {
    ("b", CONTROL): LABELS,
    ("b", VFLIP): 1 - LABELS,
    ("b", HFLIP): np.where(np.arange(40) % 4, LABELS, 1 - LABELS),
    ("a", CONTROL): np.where(np.arange(40) < 2, 1, LABELS),
    ("a", VFLIP): LABELS,
    ("a", HFLIP): LABELS,
}
FAST, SLOW = EngineUsed("openvino", "fp32"), EngineUsed("eager", "fp32")


@pytest.fixture
def run(folder):
    """What a run of two models on the tiny project's images left; nobody planned hflip."""
    source = open_source("folder:photos")
    store = Store(folder.path / "s.sqlite")
    put_images(store, LABELS, source.classes, "folder:photos")
    log = RunLog(dataset="data", plan=Plan.of([Panel(VFLIP, ("b", "a"))]))
    for (model, condition), predicted in ANSWERS.items():
        engine = SLOW if condition == HFLIP else FAST
        put_answers(store, log, Cell(model, condition), predicted, [0, 1], LABELS, engine=engine)
    log.provenance = {"device": "cpu"}
    log.sweep_seconds = 1.5
    predictions = StoredPredictions(lambda: store, log)
    judge = Judge(predictions, log, TestPolicy(), None, expect_baseline=False)
    examiner = Examiner(Evidence(predictions, log, judge, builtin(), StudyOptions(3, 0, 50), None, None))
    predictor = SimpleNamespace(store=store, images=lambda: (source, np.arange(40)))
    yield RunRecord(log, predictor, predictions, judge, examiner, builtin(), 0)
    store.close()


def ask(run, *tests):
    run.run_log.tests = dict.fromkeys(tests)
    run.run_log.unplanned = Plan.of(tests)


def test_nothing_is_reported_of_a_run_that_computed_nothing(run):
    for log in (RunLog(), RunLog(dataset="data"), RunLog(keys={Cell("a", CONTROL): "a control"})):
        assert build_report(dataclasses.replace(run, run_log=log), ("a",), (VFLIP,)) is None


def test_a_run_in_which_all_failed_is_reported_with_its_reason(run):
    broken = Cell("a", VFLIP)
    log = RunLog(dataset="data", errors={broken: "no"}, plan=Plan.of([broken]), tests={broken: None})
    judge = Judge(run.predictions, log, TestPolicy(), None, expect_baseline=False)
    view = build_report(dataclasses.replace(run, run_log=log, judge=judge), ("a",), (VFLIP,))
    assert (view.errors, view.model_tests, view.counts) == ({broken: "no"}, (), {})


def test_tests_are_in_the_order_of_the_options_whatever_the_order_in_which_they_were_asked(run):
    ask(run, Panel(HFLIP, ("b", "a")), Cell("a", HFLIP), Cell("a", VFLIP), Cell("b", VFLIP), Panel(VFLIP, ("b", "a")))
    view = build_report(run, ("b", "a"), (VFLIP, HFLIP))
    assert [(test.condition, test.model) for test in view.model_tests] == [(VFLIP, "b"), (VFLIP, "a"), (HFLIP, "a")]
    assert [test.condition for test in view.class_tests] == [VFLIP, HFLIP]


def test_what_only_tests_asked_for_comes_after_the_options_by_name(run):
    ask(run, Cell("b", VFLIP), Cell("a", HFLIP))
    view = build_report(run, (), (ZOOM,))
    assert view.models == ("a", "b")
    assert view.conditions == (ZOOM, HFLIP, VFLIP)
    # Nobody tested or computed zoom: it has no column among the tests.
    assert view.model_conditions == (HFLIP, VFLIP)


@pytest.mark.parametrize("kind", ["tests", "imaged"])
def test_a_test_that_asks_for_what_a_study_computed_before_is_reported(run, kind):
    """Nobody planned it, and no test had it computed: the report has its model and its condition all the same."""
    cell = Cell("a", HFLIP)
    setattr(run.run_log, kind, {cell: None})
    run.run_log.probed = Plan.of([cell])
    view = build_report(run, ("b",), (VFLIP,))
    assert (view.models, view.conditions) == (("b", "a"), (VFLIP, HFLIP))
    made = view.model_tests if kind == "tests" else view.image_tests
    assert [(test.model, test.condition) for test in made] == [("a", HFLIP)]


def test_the_counts_are_those_of_the_answers(run):
    ask(run, Cell("b", VFLIP), Cell("b", HFLIP), Cell("a", HFLIP))
    view = build_report(run, ("b", "a"), (VFLIP, HFLIP))
    for (model, condition), predicted in ANSWERS.items():
        counts = view.counts[Cell(model, condition)]
        right = (predicted == LABELS).reshape(2, 20).sum(axis=1)
        assert (counts.n.tolist(), counts.correct.tolist()) == ([20, 20], right.tolist())
    assert view.change(Cell("b", HFLIP)) == pytest.approx(-25.0)
    # b falls by 100 points under vflip, a rises by the five that it lacks in control.
    assert view.changes[VFLIP].value == pytest.approx((-100 + 5) / 2)
    assert [(fall.name, fall.right_control, fall.right_treated) for fall in view.confusions[Cell("b", HFLIP)]] == [
        ("down", 20, 15),
        ("up", 20, 15),
    ]


def test_a_cell_in_error_is_named_and_not_counted(run):
    run.run_log.errors = {Cell("a", HFLIP): "a is ill"}
    ask(run, Cell("a", HFLIP), Cell("b", HFLIP), Panel(HFLIP, ("b", "a")))
    view = build_report(run, ("b", "a"), (VFLIP, HFLIP))
    assert Cell("a", HFLIP) not in view.counts
    assert [test.model for test in view.model_tests] == ["b"]
    assert view.class_tests[0].left_out == ("a",)


@pytest.mark.parametrize("expect_baseline", [True, False])
def test_what_could_not_be_judged_counts_in_no_average_and_what_was_judged_does(run, monkeypatch, expect_baseline):
    """A model without a counterpart is computed all the same; its own findings stand where none are expected."""
    comparison = SimpleNamespace(notes=lambda: (), warnings=lambda _: ())
    judge = Judge(run.predictions, run.run_log, TestPolicy(), comparison, expect_baseline=False)
    made = judge.model_test

    def model_test(cell):
        if expect_baseline and cell.model == "a":
            raise BaselineError("'a' is not a model of the baseline.")
        return made(cell)

    def gate_test(cell):
        raise BaselineError(f"'{cell.model}' is not a model of the baseline.")

    monkeypatch.setattr(judge, "model_test", model_test)
    monkeypatch.setattr(judge, "gate_test", gate_test)
    monkeypatch.setattr(judge, "baseline_notes", lambda: ())
    monkeypatch.setattr(judge, "baseline_warnings", lambda _: ())
    ask(run, Cell("b", VFLIP), Cell("a", VFLIP))
    run.run_log.gated = dict.fromkeys([Cell("a", VFLIP)])
    view = build_report(dataclasses.replace(run, judge=judge), ("b", "a"), (VFLIP,))
    assert Cell("a", VFLIP) in view.counts
    assert view.errors
    # b falls by 100 points under vflip, a rises by the five that it lacks in control.
    assert view.changes[VFLIP].value == pytest.approx(-100 if expect_baseline else (-100 + 5) / 2)
    assert view.averaged == (("b",) if expect_baseline else ("b", "a"))
    assert view.unjudged.keys() == ({Cell("a", VFLIP)} if expect_baseline else set())
    rows = {row.model: row for row in heat.rows(view)}
    assert (rows["a"].average, rows["a"].rank) == ((None, None) if expect_baseline else (pytest.approx(5), 1))
    assert (rows["b"].average, rows["b"].rank) == (pytest.approx(-100), 1 if expect_baseline else 2)
    assert heat.mean_average([*rows.values()]) == pytest.approx(view.changes[VFLIP].value)
    assert heat.average_control([*rows.values()]) == pytest.approx(100 if expect_baseline else (100 + 95) / 2)


def test_the_provenance_is_the_runs_with_the_engines_that_computed_most_first(run):
    ask(run, Cell("b", HFLIP), Cell("a", HFLIP))
    view = build_report(run, ("b", "a"), (VFLIP, HFLIP))
    assert view.provenance["runtime"] == "openvino fp32, eager fp32"
    assert (view.provenance["device"], view.provenance["sweep_seconds"]) == ("cpu", 1.5)
    assert view.provenance["models"]["a"]["fingerprint"] == "f" * 64
    assert view.engines[Cell("b", HFLIP)] == (SLOW,)


def test_the_gallery_shows_the_images_and_says_what_kept_it_from_that(run, folder):
    ask(run, Panel(VFLIP, ("b", "a")))
    view = build_report(run, ("b", "a"), (VFLIP, HFLIP))
    assert view.gallery
    assert view.gallery_note == ""
    for example in view.gallery:
        assert LABELS[example.position] == example.finding.index
        assert example.thumbnails.control.startswith("data:image/")

    def gone():
        raise DataError("photos is not there")

    lost = dataclasses.replace(run, predictor=SimpleNamespace(store=run.predictor.store, images=gone))
    # What was shown once is in the store, and is shown without the images.
    remembered = build_report(lost, ("b", "a"), (VFLIP, HFLIP))
    assert (remembered.gallery, remembered.gallery_note) == (view.gallery, "")
    with contextlib.closing(sqlite3.connect(run.predictor.store.path)) as connection, connection:
        connection.execute("DELETE FROM remembered")
    view = build_report(lost, ("b", "a"), (VFLIP, HFLIP))
    assert view.gallery_note == "The images could not be opened again: photos is not there"
    assert [example.thumbnails for example in view.gallery] == [None] * len(view.gallery)


def test_examples_are_of_the_test_that_they_are_asked_for(run):
    found = examples(run, run.judge.class_test(Panel(HFLIP, ("b",))))
    assert found
    for example in found:
        (answer,) = example.answers
        assert example.condition == HFLIP
        assert (answer.model, answer.right_control) == ("b", True)
        assert answer.right_treated == bool(example.position % 4)
