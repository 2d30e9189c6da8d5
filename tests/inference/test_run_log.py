"""The run_log survives the way to another process, and merging run_logs loses nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core import CONTROL, Cell, Condition, Panel, Preprocess
from pytest_robustness.core.errors import DisagreementError, StoreError
from pytest_robustness.core.text import printable
from pytest_robustness.inference.agreement import Agreement, said
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog, StudyRequest

CONDITIONS = st.one_of(
    st.builds(Condition, st.sampled_from(["vflip", "a+b"])),
    st.builds(Condition, st.just("zoom"), st.integers(1, 5)),
    st.just(CONTROL),
)
CELLS = st.builds(Cell, st.sampled_from(["resnet18", "python:nets.py:make"]), CONDITIONS)
# What crosses between processes is shown as text in both: control characters are escapes already.
TEXTS = st.text(max_size=3).map(printable)
PANELS = st.builds(Panel, CONDITIONS, st.lists(st.text(max_size=3), max_size=3).map(tuple))
STUDIED = st.dictionaries(
    st.builds(StudyRequest, st.sampled_from(["breaking_point", "detectable"]), CELLS | PANELS),
    st.lists(CELLS, unique=True, max_size=4).map(tuple),
    max_size=3,
)
FACTS = ModelFacts("f00d", "name", (1, 0), Preprocess(resize=8, crop=7), ("mean", "classes"))
RUN_LOGS = st.builds(
    RunLog,
    dataset=st.sampled_from(["", "f00d"]),
    plan=st.lists(CELLS, unique=True, max_size=6).map(tuple).map(Plan),
    unplanned=st.lists(CELLS, unique=True, max_size=6).map(tuple).map(Plan),
    probed=st.lists(CELLS, unique=True, max_size=6).map(tuple).map(Plan),
    studied=STUDIED,
    # All processes of a run know a cell by the same key.
    keys=st.lists(CELLS, max_size=6).map(lambda cells: {cell: str(cell) for cell in cells}),
    errors=st.dictionaries(CELLS, TEXTS, max_size=6),
    tests=st.lists(CELLS | PANELS, max_size=6).map(dict.fromkeys),
    skipped=st.lists(TEXTS, unique=True),
    models=st.dictionaries(st.text(max_size=3), st.just(FACTS), max_size=3),
    notes=st.lists(TEXTS, unique=True),
    warnings=st.lists(TEXTS, unique=True),
    unreadable=st.lists(st.integers(0, 99), unique=True).map(sorted),
    sweep_seconds=st.floats(0, 9),
    provenance=st.dictionaries(st.sampled_from(["python", "device"]), st.text(max_size=3)),
)


@given(run_log=RUN_LOGS)
def test_a_run_log_comes_back_from_plain_data(run_log):
    assert RunLog.unpack(json.loads(json.dumps(run_log.pack()))) == run_log


@given(run_log=RUN_LOGS)
def test_merging_with_itself_or_with_nothing_changes_nothing(run_log):
    before = run_log.pack()
    run_log.merge(RunLog.unpack(before))
    run_log.merge(RunLog())
    assert run_log.pack() == before
    empty = RunLog()
    empty.merge(run_log)
    assert empty.pack() == before


@given(one=RUN_LOGS, other=RUN_LOGS)
def test_merging_keeps_what_either_did(one, other):
    merged = RunLog.unpack(one.pack())
    merged.merge(other)
    assert set(merged.plan.cells) == {*one.plan.cells, *other.plan.cells}
    assert set(merged.wanted.cells) == {*one.wanted.cells, *other.wanted.cells}
    assert set(merged.models) == {*one.models, *other.models}
    assert merged.keys == one.keys | other.keys
    assert merged.errors == one.errors | other.errors
    assert set(merged.tests) == {*one.tests, *other.tests}
    assert merged.studied == one.studied | other.studied
    assert set(merged.asked.cells) == {*one.asked.cells, *other.asked.cells}
    assert set(merged.notes) == {*one.notes, *other.notes}
    assert set(merged.skipped) == {*one.skipped, *other.skipped}


def test_a_cell_is_finished_when_it_was_computed_without_an_error():
    done, failed, absent = (Cell(name, CONTROL) for name in "abc")
    run_log = RunLog(keys={done: "1", failed: "2"}, errors={failed: "no"})
    assert run_log.finished(done)
    assert not run_log.finished(failed)
    assert not run_log.finished(absent)
    assert not run_log.finished(done, failed)


def test_a_test_is_judged_when_control_and_condition_of_some_model_are_finished():
    vflip = Condition("vflip")
    run_log = RunLog(keys={Cell("a", CONTROL): "1", Cell("a", vflip): "2", Cell("b", CONTROL): "3"})
    assert run_log.testable(Cell("a", vflip))
    assert not run_log.testable(Cell("b", vflip))
    assert run_log.testable(Panel(vflip, ("b", "a")))
    assert not run_log.testable(Panel(vflip, ("b", "c")))


@given(run_log=RUN_LOGS)
def test_what_came_since_the_start_is_enough_to_judge_every_test(run_log):
    received = RunLog.unpack(run_log.since(0, 0, 0, 0, 0).pack())
    assert list(received.tests) == list(run_log.tests)
    assert received.notes == run_log.notes
    assert run_log.since(*run_log.length).notes == []
    assert received.dataset == run_log.dataset
    assert received.studied == run_log.studied
    for used in run_log.studied.values():
        for cell in used:
            assert received.known([cell]) == run_log.known([cell])
    for test in run_log.tests:
        assert received.testable(test) == run_log.testable(test)
        for cell in Plan.of([test]).cells:
            assert (cell in received.plan, cell in received.unplanned) == (
                cell in run_log.plan,
                cell in run_log.unplanned,
            )


def test_a_cell_that_nobody_planned_is_corrected_alone():
    vflip, hflip = Condition("vflip"), Condition("hflip")
    planned = Plan.of([Panel(vflip, ("a", "b"))])
    run_log = RunLog(plan=planned, unplanned=Plan.of([Cell("c", vflip), Cell("a", hflip)]))
    run_log.keys = dict.fromkeys(run_log.wanted.cells, "key")
    assert run_log.model_family(Cell("a", vflip)) == ("a", "b")
    assert run_log.model_family(Cell("c", vflip)) == ("c",)
    assert run_log.gate_family(Cell("a", vflip)) == run_log.gate_family(Cell("a", CONTROL)) == (vflip,)
    assert run_log.gate_family(Cell("a", hflip)) == (hflip,)


def test_a_gate_test_is_corrected_over_what_was_computed():
    vflip, hflip = Condition("vflip"), Condition("hflip")
    run_log = RunLog(plan=Plan.of([Cell("a", vflip), Cell("a", hflip)]))
    run_log.keys = dict.fromkeys(run_log.plan.cells, "key")
    run_log.errors = {Cell("a", hflip): "failed"}
    assert run_log.gate_family(Cell("a", vflip)) == (vflip,)


NAMES = ("data: the classes", "data: the images", "data: the labels", "plan", "number format", "model a", "transform b")
STATED = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("xy"), max_size=4)


@given(own=STATED, other=STATED)
def test_logs_of_processes_that_differ_in_a_fact_are_never_merged(own, other):
    merged = RunLog(facts={"gw0": own}, notes=["mine"])
    differing = [name for name in own.keys() & other.keys() if own[name] != other[name]]
    log = RunLog(facts={"gw1": other}, notes=["theirs"])
    if not differing:
        merged.merge(log)
        assert merged.facts == {"gw0": own, "gw1": other}
        return
    with pytest.raises(DisagreementError) as caught:
        merged.merge(log)
    named = [name for name in differing if f" differ in {name.removeprefix('data: ')}: gw0 has " in str(caught.value)]
    assert len(named) == 1
    assert f"gw0 has {own[named[0]]}, gw1 has {other[named[0]]}. " in str(caught.value)
    assert merged.notes == ["mine"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(RunLog(dataset="a"), RunLog(dataset="b"), id="data"),
        pytest.param(
            RunLog(keys={Cell("a", CONTROL): "1"}), RunLog(keys={Cell("a", CONTROL): "2"}), id="the key of a cell"
        ),
    ],
)
def test_logs_that_differ_in_what_nobody_stated_are_never_merged(one, other):
    with pytest.raises(DisagreementError, match=r"^The processes of this run differ in "):
        one.merge(other)


def test_each_process_is_compared_with_all_that_stated_before_it(tmp_path):
    one, two, three = (Agreement(tmp_path / "run", name) for name in ("gw0", "gw1", "gw2"))
    one.state({"model a": "x"})
    one.require()
    two.state({"model b": "y"})
    two.require()
    three.state({"model a": "x"})
    three.state({"model b": "z"})
    with pytest.raises(DisagreementError, match=r"model b: gw1 has y, gw2 has z\. A model whose weights"):
        three.require()
    with pytest.raises(DisagreementError, match="model b"):
        one.require()


def test_what_cannot_be_stated_is_an_error_that_says_so(tmp_path):
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StoreError, match=r"run cannot be written \(File exists\): the processes of a run compare"):
        Agreement(tmp_path / "run", "gw0").state({"plan": "x"})


def test_what_is_said_is_read_whole_and_in_order(tmp_path):
    process = Agreement(tmp_path, "gw0")
    for message in ("one\ntwo", "\u2028", "three"):
        process.say(message)
    with (tmp_path / "gw0.said").open("a") as file:
        file.write('"not yet wr')
    assert said(tmp_path) == ["one\ntwo", "\u2028", "three"]
