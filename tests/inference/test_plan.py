"""The plan holds the cells that tests need."""

from __future__ import annotations

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.inference.plan import Plan

VFLIP = Condition("vflip")
ZOOM5 = Condition("zoom", 5)


def test_a_plan_adds_the_control_of_each_model_once() -> None:
    made = Plan.of([Cell("a", VFLIP), Cell("a", ZOOM5), Panel(VFLIP, ("a", "b"))])
    assert set(made.cells) == {Cell(m, CONTROL) for m in "ab"} | {Cell("a", VFLIP), Cell("b", VFLIP), Cell("a", ZOOM5)}
    assert len(made.cells) == len(set(made.cells))


def test_the_family_of_a_condition_is_the_models_planned_under_it() -> None:
    made = Plan.of([Panel(VFLIP, ("a", "b")), Cell("c", ZOOM5)])
    assert made.models(VFLIP) == ("a", "b")
    assert made.models(ZOOM5) == ("c",)


def test_extending_a_plan_keeps_what_it_has() -> None:
    made = Plan.of([Cell("a", VFLIP)])
    assert made.extended(Plan.of([Cell("a", ZOOM5)]).cells).cells == (*made.cells, Cell("a", ZOOM5))


def test_a_cell_asks_for_what_a_panel_of_its_one_model_asks_for() -> None:
    for condition in (VFLIP, ZOOM5, CONTROL):
        assert Plan.of([Cell("a", condition)]) == Plan.of([Panel(condition, ("a",))])
