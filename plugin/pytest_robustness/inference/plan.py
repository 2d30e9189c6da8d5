"""The plan: which cells the collected tests need, and how tests are named after them."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Cell, Condition, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True)
class Plan:
    """Every cell that a run needs, control included, in a stable order."""

    cells: tuple[Cell, ...] = ()

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._known

    @functools.cached_property
    def _known(self) -> frozenset[Cell]:
        return frozenset(self.cells)

    @classmethod
    def of(cls, requests: Iterable[Cell | Panel]) -> Plan:
        """Return the plan of what tests ask for: the cells themselves and the control of each model."""
        wanted: dict[Cell, None] = {}
        for request in requests:
            models = (request.model,) if isinstance(request, Cell) else request.models
            for model in models:
                wanted[Cell(model, CONTROL)] = None
                wanted[Cell(model, request.condition)] = None
        return cls(tuple(wanted))

    def extended(self, cells: Iterable[Cell]) -> Plan:
        """Return this plan with ``cells`` added."""
        return Plan(tuple(dict.fromkeys((*self.cells, *cells))))

    def conditions_of_all(self) -> tuple[Condition, ...]:
        """Return every planned condition, control first."""
        return tuple(dict.fromkeys((CONTROL, *(cell.condition for cell in self.cells))))

    def conditions(self, model: str) -> tuple[Condition, ...]:
        """Return the conditions under which ``model`` is judged, without control: the family of its gate tests."""
        return tuple(cell.condition for cell in self.cells if cell.model == model and cell.condition != CONTROL)

    def models(self, condition: Condition) -> tuple[str, ...]:
        """Return the models that are judged under ``condition``: the family of its model tests."""
        return tuple(cell.model for cell in self.cells if cell.condition == condition)


def labels(models: Sequence[str]) -> dict[str, str]:
    """Return a short name for each model: without its source where that is still unambiguous.

    Examples
    --------
    >>> labels(["digits:resnet18", "digits:vgg16"])
    {'digits:resnet18': 'resnet18', 'digits:vgg16': 'vgg16'}
    >>> labels(["resnet18", "digits:resnet18"])
    {'resnet18': 'resnet18', 'digits:resnet18': 'digits:resnet18'}
    """
    short = {model: model.rpartition(":")[2] for model in models}
    taken = Counter(short.values())
    return {model: name if taken[name] == 1 else model for model, name in short.items()}


def cell_id(cell: Cell, label: str, several: bool) -> str:
    """Return the test id of a cell: ``vflip-resnet18``, or ``rotation-resnet18-s5`` among several severities."""
    return f"{cell.condition.transform}-{label}{_suffix(cell.condition, several)}"


def condition_id(condition: Condition, several: bool) -> str:
    """Return the test id of a condition: ``vflip``, or ``rotation-s5`` among several severities."""
    return condition.transform + _suffix(condition, several)


def _suffix(condition: Condition, several: bool) -> str:
    return f"-s{condition.severity}" if several and condition.severity is not None else ""
