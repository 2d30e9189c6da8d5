"""The ids of tests that run over cells or conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL

if TYPE_CHECKING:
    from pytest_robustness.core import Cell, Condition


def cell_id(cell: Cell, label: str, several: bool) -> str:
    """Return the test id of a cell: ``vflip-resnet18``, or ``rotation-resnet18-s5`` among several severities."""
    return f"{cell.condition.transform}-{label}{_suffix(cell.condition, several)}"


def export_id(cell: Cell, several: bool) -> str:
    """Return the test id of an exported model: its name in control, ``onnx:net.onnx``; ``vflip-onnx:net.onnx`` else."""
    return cell_id(cell, cell.model, several) if cell.condition != CONTROL else cell.model


def condition_id(condition: Condition, several: bool) -> str:
    """Return the test id of a condition: ``vflip``, or ``rotation-s5`` among several severities."""
    return condition.transform + _suffix(condition, several)


def _suffix(condition: Condition, several: bool) -> str:
    return f"-s{condition.severity}" if several and condition.severity is not None else ""
