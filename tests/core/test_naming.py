"""Models have short names, and tests are named after their cells."""

from __future__ import annotations

from pytest_robustness.core import Cell, Condition
from pytest_robustness.core.naming import cell_id, condition_id, short_names

VFLIP = Condition("vflip")
ZOOM5 = Condition("zoom", 5)


def test_ids_carry_the_severity_only_among_several() -> None:
    assert cell_id(Cell("digits:resnet18", ZOOM5), "resnet18", several=False) == "zoom-resnet18"
    assert cell_id(Cell("digits:resnet18", ZOOM5), "resnet18", several=True) == "zoom-resnet18-s5"
    assert condition_id(ZOOM5, several=True) == "zoom-s5"
    assert condition_id(VFLIP, several=True) == "vflip"


def test_labels_are_short_where_that_is_unambiguous() -> None:
    assert short_names(["digits:a", "b", "python:pkg.mod:make"]) == {
        "digits:a": "a",
        "b": "b",
        "python:pkg.mod:make": "make",
    }
    assert short_names(["digits:a", "a"]) == {"digits:a": "digits:a", "a": "a"}
