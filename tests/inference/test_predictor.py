"""The predictor computes what is asked for and what was planned, once, and keeps the error that stops it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import BaselineError, DataError, ModelError, RobustnessError
from pytest_robustness.inference.plan import Plan

SLOPE, COLOUR = "python:nets.py:slope", "python:nets.py:colour"
VFLIP, HFLIP = Condition("vflip"), Condition("hflip")


def test_the_first_request_computes_the_whole_plan_and_the_others_nothing(world, folder):
    ours = world(Panel(VFLIP, (SLOPE, COLOUR)), Cell(SLOPE, HFLIP))
    assert ours.predictor.ensure(Cell(COLOUR, VFLIP))
    assert ours.sweeps == [(40, 5)]
    for request in (Cell(SLOPE, HFLIP), Cell(SLOPE, VFLIP), Panel(VFLIP, (SLOPE, COLOUR))):
        assert not ours.predictor.ensure(request)
    assert ours.sweeps == [(40, 5)]
    weights = {SLOPE: (1, 0), COLOUR: (0, 1)}
    for cell in ours.run_log.keys:
        expected = folder.right(*weights[cell.model], cell.condition.transform)
        np.testing.assert_array_equal(ours.right(cell), expected, err_msg=str(cell))


def test_what_nobody_planned_is_checked_and_added_with_its_control(world):
    ours = world(Cell(SLOPE, VFLIP))
    ours.predictor.ensure(Cell(SLOPE, VFLIP))
    assert ours.checked == [(CONTROL, VFLIP)]
    assert ours.predictor.ensure(Cell(COLOUR, HFLIP))
    assert ours.checked[1:] == [(CONTROL, HFLIP)]
    assert ours.run_log.unplanned.cells == (Cell(COLOUR, CONTROL), Cell(COLOUR, HFLIP))
    # The planned cells are stored already: the second sweep has two cells.
    assert ours.sweeps == [(40, 2), (40, 2)]


def test_what_a_study_needs_is_computed_and_belongs_to_no_test(world):
    ours = world(Cell(SLOPE, VFLIP), refuse=HFLIP)
    probed = (Cell(SLOPE, HFLIP), Cell(SLOPE, CONTROL))
    assert ours.predictor.probe(probed)
    assert ours.probed == [(HFLIP, CONTROL)]
    assert ours.run_log.known(probed)
    # With it goes what is planned, in one sweep; no test of sensitivity and no baseline gets what was probed.
    assert ours.sweeps == [(40, 3)]
    assert ours.run_log.wanted.cells == (Cell(SLOPE, CONTROL), Cell(SLOPE, VFLIP))
    assert ours.run_log.probed.cells == (Cell(SLOPE, HFLIP),)
    assert not ours.predictor.probe(probed)
    assert not ours.predictor.ensure(Cell(SLOPE, VFLIP))


def test_a_condition_that_the_check_refuses_is_not_computed_and_the_next_one_is(world):
    ours = world(Cell(SLOPE, VFLIP), refuse=HFLIP)
    with pytest.raises(BaselineError, match="hflip is refused"):
        ours.predictor.ensure(Cell(SLOPE, HFLIP))
    assert ours.run_log.unplanned.cells == ()
    assert ours.predictor.ensure(Cell(SLOPE, VFLIP))
    assert set(ours.run_log.keys) == {Cell(SLOPE, CONTROL), Cell(SLOPE, VFLIP)}


def test_a_plan_that_the_check_refuses_is_not_computed_at_all(world):
    ours = world(Cell(SLOPE, VFLIP), refuse=VFLIP)
    with pytest.raises(BaselineError, match="vflip is refused"):
        ours.predictor.ensure(Cell(SLOPE, VFLIP))
    assert ours.run_log.errors == dict.fromkeys((Cell(SLOPE, CONTROL), Cell(SLOPE, VFLIP)), "vflip is refused")
    assert ours.sweeps == []
    assert ours.run_log.keys == {}


def test_an_error_that_stops_everything_is_that_of_every_cell_and_of_every_later_request(world, folder):
    ours = world(Cell(SLOPE, VFLIP), data="folder:elsewhere")
    with pytest.raises(DataError, match="elsewhere") as caught:
        ours.predictor.ensure(Cell(SLOPE, VFLIP))
    assert ours.run_log.errors == dict.fromkeys((Cell(SLOPE, CONTROL), Cell(SLOPE, VFLIP)), str(caught.value))
    # The folder coming back in the middle of a run would mix two states of the data.
    (folder.path / "photos").rename(folder.path / "elsewhere")
    ours.run_log.plan = Plan.of([Cell(SLOPE, VFLIP), Cell(SLOPE, HFLIP)])
    with pytest.raises(DataError) as again:
        ours.predictor.ensure(Cell(SLOPE, HFLIP))
    assert again.value is caught.value
    # What is known to have failed is not tried again; its reason is in the log.
    assert not ours.predictor.ensure(Cell(SLOPE, VFLIP))
    with pytest.raises(ModelError, match="elsewhere"):
        ours.run_log.require(Cell(SLOPE, VFLIP))


def test_a_fault_that_is_not_ours_is_kept_as_an_error_with_its_kind(world, monkeypatch):
    ours = world(Cell(SLOPE, VFLIP))

    def fail():
        raise ZeroDivisionError("seven by nought")

    monkeypatch.setattr(ours.predictor, "_provenance", fail)
    with pytest.raises(ZeroDivisionError):
        ours.predictor.ensure(Cell(SLOPE, VFLIP))
    # With the line of the code that raised it, which is no part of the package.
    (text,) = set(ours.run_log.errors.values())
    assert re.fullmatch(r"ZeroDivisionError: seven by nought \(.*test_predictor\.py:\d+\)", text)
    ours.run_log.plan = Plan.of([Cell(SLOPE, HFLIP)])
    with pytest.raises(RobustnessError) as caught:
        ours.predictor.ensure(Cell(SLOPE, HFLIP))
    assert str(caught.value) == text


def test_a_model_that_cannot_be_loaded_costs_its_own_cells(world):
    missing = "python:nets.py:missing"
    ours = world(Panel(VFLIP, (SLOPE, missing)))
    assert ours.predictor.ensure(Panel(VFLIP, (SLOPE, missing)))
    assert set(ours.run_log.keys) == {Cell(SLOPE, CONTROL), Cell(SLOPE, VFLIP)}
    assert set(ours.run_log.errors) == {Cell(missing, CONTROL), Cell(missing, VFLIP)}
    assert set(ours.run_log.models) == {SLOPE}


def test_the_log_says_what_was_computed_and_on_which_images(world):
    ours = world(Cell(SLOPE, VFLIP), limit=5)
    ours.predictor.ensure(Cell(SLOPE, VFLIP))
    provenance = ours.run_log.provenance
    assert (provenance["seen"], provenance["device"]) == ("once", "cpu")
    assert provenance["dataset"] == {
        "name": "folder:photos",
        "fingerprint": ours.run_log.dataset,
        "images": 10,
        "classes": 2,
        "labels": "data",
    }
    name, classes, labels, _ = ours.predictor.store.selection(ours.run_log.dataset)
    assert (name, [label.name for label in classes]) == ("folder:photos", ["down", "up"])
    assert labels.tolist() == [0] * 5 + [1] * 5


def test_the_images_can_be_read_without_computing_and_are_those_of_the_run(world):
    fresh, ran = world(limit=5, seed=7), world(Cell(COLOUR, VFLIP), limit=5, seed=7)
    ran.predictor.ensure(Cell(COLOUR, VFLIP))
    indices = fresh.predictor.images()[1]
    assert indices.tolist() == ran.predictor.images()[1].tolist()
    assert np.bincount(indices // 20).tolist() == [5, 5]
    # Another seed draws others.
    assert indices.tolist() != world(limit=5, seed=8).predictor.images()[1].tolist()
    assert fresh.run_log.dataset == ""


def test_a_store_that_was_closed_is_opened_again_when_asked_for(world):
    ours = world(Cell(SLOPE, VFLIP))
    ours.predictor.ensure(Cell(SLOPE, VFLIP))
    ours.predictor.close()
    ours.predictor.close()
    assert ours.right(Cell(SLOPE, CONTROL)).all()
