"""Short names of models, and the ids of tests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_robustness.core.conditions import CONTROL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core.conditions import Cell, Condition


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Return a short name for each model: without its source where that is still unambiguous.

    Examples
    --------
    >>> short_names(["digits:resnet18", "digits:vgg16"])
    {'digits:resnet18': 'resnet18', 'digits:vgg16': 'vgg16'}
    >>> short_names(["resnet18", "digits:resnet18"])
    {'resnet18': 'resnet18', 'digits:resnet18': 'digits:resnet18'}
    """
    short = {model: model.rpartition(":")[2] for model in models}
    taken = Counter(short.values())
    return {model: name if taken[name] == 1 else model for model, name in short.items()}


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
