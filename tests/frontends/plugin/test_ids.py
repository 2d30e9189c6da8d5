"""Tests are named after their cells."""

from __future__ import annotations

import pytest

from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.frontends.plugin.ids import cell_id, condition_id, export_id

VFLIP = Condition("vflip")
ZOOM5 = Condition("zoom", 5)


@pytest.mark.parametrize(
    ("condition", "several", "of_condition", "of_cell", "of_export"),
    [
        (VFLIP, False, "vflip", "vflip-net", "vflip-onnx:net.onnx"),
        (VFLIP, True, "vflip", "vflip-net", "vflip-onnx:net.onnx"),
        (ZOOM5, False, "zoom", "zoom-net", "zoom-onnx:net.onnx"),
        (ZOOM5, True, "zoom-s5", "zoom-net-s5", "zoom-onnx:net.onnx-s5"),
        (CONTROL, True, "control", "control-net", "onnx:net.onnx"),
    ],
)
def test_ids_carry_the_severity_only_among_several(condition, several, of_condition, of_cell, of_export):
    cell = Cell("onnx:net.onnx", condition)
    assert condition_id(condition, several) == of_condition
    assert cell_id(cell, "net", several) == of_cell
    assert export_id(cell, several) == of_export
