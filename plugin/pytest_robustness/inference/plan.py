"""The plan: which cells the collected tests need."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Cell, Condition, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable


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
            for model in request.models:
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
