"""The ledger survives the way to another process, and merging ledgers loses nothing."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import Ledger

CONDITIONS = st.one_of(
    st.builds(Condition, st.sampled_from(["vflip", "a+b"])),
    st.builds(Condition, st.just("zoom"), st.integers(1, 5)),
    st.just(CONTROL),
)
CELLS = st.builds(Cell, st.sampled_from(["resnet18", "python:nets.py:make"]), CONDITIONS)
PANELS = st.builds(Panel, CONDITIONS, st.lists(st.text(max_size=3), max_size=3).map(tuple))
LEDGERS = st.builds(
    Ledger,
    dataset=st.text(max_size=3),
    plan=st.lists(CELLS, unique=True).map(tuple).map(Plan),
    unplanned=st.lists(CELLS, unique=True).map(tuple).map(Plan),
    keys=st.dictionaries(CELLS, st.text(max_size=3)),
    errors=st.dictionaries(CELLS, st.text(max_size=3)),
    tests=st.lists(CELLS | PANELS).map(dict.fromkeys),
    skipped=st.lists(st.text(max_size=3), unique=True),
    models=st.dictionaries(st.text(max_size=3), st.just({"fingerprint": "f00d"})),
    notes=st.lists(st.text(max_size=3), unique=True),
    sweep_seconds=st.floats(0, 9),
    provenance=st.dictionaries(st.sampled_from(["python", "device"]), st.text(max_size=3)),
)


@given(ledger=LEDGERS)
def test_a_ledger_comes_back_from_plain_data(ledger):
    assert Ledger.unpack(json.loads(json.dumps(ledger.pack()))) == ledger


@given(ledger=LEDGERS)
def test_merging_with_itself_or_with_nothing_changes_nothing(ledger):
    before = ledger.pack()
    ledger.merge(Ledger.unpack(before))
    ledger.merge(Ledger())
    assert ledger.pack() == before
    empty = Ledger()
    empty.merge(ledger)
    assert empty.pack() == before


@given(one=LEDGERS, other=LEDGERS)
def test_merging_keeps_what_either_did(one, other):
    merged = Ledger.unpack(one.pack())
    merged.merge(other)
    assert set(merged.plan.cells) == {*one.plan.cells, *other.plan.cells}
    assert set(merged.wanted.cells) == {*one.wanted.cells, *other.wanted.cells}
    assert set(merged.models) == {*one.models, *other.models}
    assert merged.keys == one.keys | other.keys
    assert merged.errors == one.errors | other.errors
    assert set(merged.tests) == {*one.tests, *other.tests}
    assert set(merged.notes) == {*one.notes, *other.notes}
    assert set(merged.skipped) == {*one.skipped, *other.skipped}


def test_a_cell_is_finished_when_it_was_computed_without_an_error():
    done, failed, absent = (Cell(name, CONTROL) for name in "abc")
    ledger = Ledger(keys={done: "1", failed: "2"}, errors={failed: "no"})
    assert ledger.finished(done)
    assert not ledger.finished(failed)
    assert not ledger.finished(absent)
    assert not ledger.finished(done, failed)


def test_a_test_is_judged_when_control_and_condition_of_some_model_are_finished():
    vflip = Condition("vflip")
    ledger = Ledger(keys={Cell("a", CONTROL): "1", Cell("a", vflip): "2", Cell("b", CONTROL): "3"})
    assert ledger.judged(Cell("a", vflip))
    assert not ledger.judged(Cell("b", vflip))
    assert ledger.judged(Panel(vflip, ("b", "a")))
    assert not ledger.judged(Panel(vflip, ("b", "c")))


@given(ledger=LEDGERS)
def test_what_came_since_the_start_is_enough_to_judge_every_test(ledger):
    received = Ledger.unpack(ledger.since(0, 0, 0).pack())
    assert list(received.tests) == list(ledger.tests)
    assert received.notes == ledger.notes
    assert ledger.since(*ledger.length).notes == []
    assert received.dataset == ledger.dataset
    for test in ledger.tests:
        assert received.judged(test) == ledger.judged(test)
        for cell in Plan.of([test]).cells:
            assert (cell in received.plan, cell in received.unplanned) == (
                cell in ledger.plan,
                cell in ledger.unplanned,
            )


def test_a_cell_that_nobody_planned_is_corrected_alone():
    vflip, hflip = Condition("vflip"), Condition("hflip")
    planned = Plan.of([Panel(vflip, ("a", "b"))])
    ledger = Ledger(plan=planned, unplanned=Plan.of([Cell("c", vflip), Cell("a", hflip)]))
    ledger.keys = dict.fromkeys(ledger.wanted.cells, "key")
    assert ledger.models_beside(Cell("a", vflip)) == ("a", "b")
    assert ledger.models_beside(Cell("c", vflip)) == ("c",)
    assert ledger.conditions_beside(Cell("a", vflip)) == ledger.conditions_beside(Cell("a", CONTROL)) == (vflip,)
    assert ledger.conditions_beside(Cell("a", hflip)) == (hflip,)


def test_a_gate_test_is_corrected_over_what_was_computed():
    vflip, hflip = Condition("vflip"), Condition("hflip")
    ledger = Ledger(plan=Plan.of([Cell("a", vflip), Cell("a", hflip)]))
    ledger.keys = dict.fromkeys(ledger.plan.cells, "key")
    ledger.errors = {Cell("a", hflip): "failed"}
    assert ledger.conditions_beside(Cell("a", vflip)) == (vflip,)
