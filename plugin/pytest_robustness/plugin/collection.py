"""What collected tests run over, and what they need computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.errors import OptionError
from pytest_robustness.inference import plan

if TYPE_CHECKING:
    from pytest_robustness.plugin.session import RobustnessSession

_ARGUMENTS = {"models", "transforms"}


def parametrize(metafunc: pytest.Metafunc, session: RobustnessSession) -> None:
    """Run a test over every cell, or every condition, of its marker or of the options.

    Raises
    ------
    OptionError
        When the marker names what does not exist.
    """
    panels = _panels(metafunc.definition, session)
    several = len(session.options.severity) > 1
    if "_robustness_cell" in metafunc.fixturenames:
        labels = plan.labels([model for panel in panels for model in panel.models])
        cells = [Cell(model, panel.condition) for panel in panels for model in panel.models]
        ids = [plan.cell_id(cell, labels[cell.model], several) for cell in cells]
        metafunc.parametrize("_robustness_cell", cells, ids=ids, indirect=True)
    if "_robustness_gate_cell" in metafunc.fixturenames:
        labels = plan.labels([model for panel in panels for model in panel.models])
        judged = [Panel(CONTROL, panels[0].models), *panels]
        cells = [Cell(model, panel.condition) for panel in judged for model in panel.models]
        ids = [plan.cell_id(cell, labels[cell.model], several) for cell in cells]
        metafunc.parametrize("_robustness_gate_cell", cells, ids=ids, indirect=True)
    if "_robustness_condition" in metafunc.fixturenames:
        ids = [plan.condition_id(panel.condition, several) for panel in panels]
        metafunc.parametrize("_robustness_condition", panels, ids=ids, indirect=True)


def requests(item: pytest.Item, session: RobustnessSession) -> list[Cell | Panel]:
    """Return what ``item`` needs: its own cell or condition, else all that its marker names."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    found = [value for value in params.values() if isinstance(value, Cell | Panel)]
    marker = item.get_closest_marker("robustness")
    if found or marker is None or not marker.kwargs:
        return found
    return list(_panels(item, session))


def _panels(node: pytest.Item | pytest.Collector, session: RobustnessSession) -> list[Panel]:
    marker = node.get_closest_marker("robustness")
    wishes = marker.kwargs if marker else {}
    if not _ARGUMENTS.issuperset(wishes) or (marker and marker.args):
        raise OptionError(
            f"@pytest.mark.robustness takes models=[...] and transforms=[...] and nothing else; see {node.nodeid}."
        )
    models = session.expand_models(wishes["models"]) if "models" in wishes else session.require_models()
    conditions = session.expand_conditions(wishes["transforms"]) if "transforms" in wishes else session.conditions
    return [Panel(condition, models) for condition in conditions]
