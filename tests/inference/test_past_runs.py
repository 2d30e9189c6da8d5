"""The store remembers runs by their images: what they tested, with what, and nothing that a later one replaced."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pytest_robustness.core import CONTROL, Cell, Condition, Panel, Preprocess
from pytest_robustness.inference.jobs import cell_key
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.past_runs import (
    KnownData,
    PastRun,
    Present,
    forget_runs,
    known_data,
    latest,
    past_runs,
    remember_run,
)
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store

VFLIP, HFLIP, ZOOM = Condition("vflip"), Condition("hflip"), Condition("zoom", 3)
FACTS = ModelFacts("f00d", "name", (1, 0), Preprocess(resize=8, crop=7, mean=(0.1, 0.2, 0.3)))
TRANSFORMS = {CONTROL: "control", VFLIP: "vflip 1", HFLIP: "hflip 1", ZOOM: "zoom 1"}


def past(*tests: Cell | Panel, when: str = "2026-11-28 18:54 UTC", data: str = "beef", **changed: object) -> PastRun:
    cells = Plan.of(tests)
    keys = {c: cell_key("f00d", FACTS.preprocess, TRANSFORMS[c.condition], 0, "fp32") for c in cells.cells}
    log = RunLog(
        dataset=data,
        plan=cells,
        keys=keys,
        tests=dict.fromkeys(tests),
        models={cell.model: FACTS for cell in cells.cells},
        provenance={"dataset": {"name": f"folder:{data}", "images": 7}, "options": {"limit": 3}},
    )
    made = PastRun(when, log, 0, "fp32", TRANSFORMS, ("a", "b"), (VFLIP, HFLIP, ZOOM), {"alpha": 0.05})
    return dataclasses.replace(made, **changed)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "store.sqlite")
    yield opened
    opened.close()


def test_a_run_comes_back_from_plain_data():
    run = past(Cell("a", VFLIP), Panel(ZOOM, ("a", "b")))
    assert PastRun.unpack(json.loads(json.dumps(run.pack()))) == run


def test_runs_are_remembered_by_their_images_the_latest_last(store):
    assert known_data(store) == past_runs(store, "beef") == []
    first, second, other = past(Cell("a", VFLIP)), past(Cell("a", HFLIP)), past(Cell("a", VFLIP), data="cafe")
    for run in (first, second, other):
        remember_run(store, run)
    assert past_runs(store, "beef") == [first, second]
    assert past_runs(store, "cafe") == [other]
    beef, cafe = (KnownData(f"folder:{data}", data, other.when, 7, 3) for data in ("beef", "cafe"))
    assert known_data(store) == [beef, cafe]
    remember_run(store, second)
    assert known_data(store) == [cafe, beef]
    remember_run(store, past(Cell("a", VFLIP), data="cafe", when="2026-11-27 10:00 UTC"))
    assert known_data(store) == [beef, cafe._replace(when="2026-11-27 10:00 UTC")]
    forget_runs(store, "beef")
    assert [known.name for known in known_data(store)] == ["folder:cafe"]


def test_a_run_is_forgotten_once_all_that_it_tested_was_tested_again(store):
    full = past(Cell("a", VFLIP), Cell("a", HFLIP))
    for run in (past(Cell("a", VFLIP)), full, past(Cell("a", HFLIP))):
        remember_run(store, run)
    assert past_runs(store, "beef") == [full, past(Cell("a", HFLIP))]


def test_a_run_of_much_outlasts_many_of_one_test_each(store):
    full = past(*(Cell(f"m{i}", VFLIP) for i in range(30)))
    remember_run(store, full)
    for i in range(40):
        remember_run(store, past(Cell(f"other{i}", VFLIP)))
    found = past_runs(store, "beef")
    assert len(found) == 20
    assert found[0] == full
    assert list(found[-1].log.tests) == [Cell("other39", VFLIP)]


@pytest.mark.parametrize(
    "text", ["[", "{}", '[{"version": 1}]', '[{"version": 7}]', '[{"version": 1, "log": []}]', "3"]
)
def test_what_another_version_wrote_is_passed_over(store, text):
    store.remember("runs beef", text)
    assert past_runs(store, "beef") == []
    remember_run(store, past(Cell("a", VFLIP)))
    assert past_runs(store, "beef") == [past(Cell("a", VFLIP))]


PRESENT = Present(lambda _: FACTS, TRANSFORMS.get, 0, "fp32")
OTHERS = {
    "the model has other weights": {"facts": lambda _: dataclasses.replace(FACTS, fingerprint="cafe")},
    "other preprocessing": {"facts": lambda _: dataclasses.replace(FACTS, preprocess=Preprocess(resize=9, crop=7))},
    "its classes are others": {"facts": lambda _: dataclasses.replace(FACTS, outputs=(0, 1))},
    "answers are among some of its outputs": {"facts": lambda _: dataclasses.replace(FACTS, kept=(0, 1))},
    "it was not loaded": {"facts": lambda _: None},
    "another version of the transform": {"transform": {**TRANSFORMS, VFLIP: "vflip 2"}.get},
    "the transform is not known": {"transform": {CONTROL: "control"}.get},
    "another seed": {"seed": 1},
    "another precision": {"precision": "bf16"},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_only_what_would_be_computed_with_the_same_holds(change):
    run = past(Cell("a", VFLIP))
    assert set(PRESENT.still_hold(run)) == {Cell("a", CONTROL), Cell("a", VFLIP)}
    assert Cell("a", VFLIP) not in dataclasses.replace(PRESENT, **change).still_hold(run)


def test_without_a_run_of_now_the_latest_says_what_is_computed_with():
    before = past(Cell("a", VFLIP), Cell("b", VFLIP))
    changed = dataclasses.replace(FACTS, fingerprint="cafe")
    now = past(Cell("a", HFLIP))
    now = dataclasses.replace(now, log=dataclasses.replace(now.log, models={"a": changed}))
    held = latest([before, now]).still_hold(before)
    assert set(held) == {Cell("b", CONTROL), Cell("b", VFLIP)}


def test_what_a_log_of_before_says_nothing_of_keeps_no_run_from_being_shown():
    run = past(Cell("a", VFLIP))
    packed = json.loads(json.dumps(run.pack()))
    for facts in packed["log"]["models"].values():
        for name in ("kept", "output_count", "origins"):
            del facts[name]
    known = dataclasses.replace(FACTS, output_count=1000, origins={"mean": "published"})
    again = PastRun.unpack(packed)
    assert set(dataclasses.replace(PRESENT, facts=lambda _: known).still_hold(again)) == set(run.log.keys)
    assert (again.log.models["a"].ranked, known.ranked) == (2, 1000)


def test_runs_in_which_other_outputs_counted_are_not_shown_beside_the_latest():
    before, now = past(Cell("a", VFLIP), Cell("b", VFLIP)), past(Cell("a", HFLIP))

    def of_rule(run, rule):
        return dataclasses.replace(run, log=dataclasses.replace(run.log, provenance={"options": {"outputs": rule}}))

    assert Cell("b", VFLIP) in latest([before, of_rule(now, "all")]).still_hold(before)
    assert Cell("b", VFLIP) not in latest([before, of_rule(now, "data")]).still_hold(before)
    assert Cell("b", VFLIP) in latest([before, of_rule(now, "data"), of_rule(now, "all")]).still_hold(before)
