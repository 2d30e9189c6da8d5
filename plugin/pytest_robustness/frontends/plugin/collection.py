"""Parametrize tests over cells or conditions, and list what collected tests need computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.naming import short_names
from pytest_robustness.frontends.plugin.asked import study_of
from pytest_robustness.frontends.plugin.fixture_names import CELL, CONTROL_CELL, EXPORTED, GATE_CELL, LEVELLED, PANEL
from pytest_robustness.frontends.plugin.ids import cell_id, condition_id, export_id
from pytest_robustness.inference.run_log import StudyRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from pytest_robustness.frontends.session.session import RobustnessSession

_ARGUMENTS = {"models", "transforms"}


def parametrize(metafunc: pytest.Metafunc, session: RobustnessSession, targets: Collection[str]) -> None:
    """Run a test over every cell, or every condition, of its marker or of the options, as ``targets`` takes them.

    Raises
    ------
    OptionError
        When the marker names what does not exist.
    """
    panels = _panels(metafunc.definition, session)
    several = len({panel.condition.severity for panel in panels} - {None}) > 1
    if CELL in targets:
        _over_cells(metafunc, CELL, panels, several)
    if GATE_CELL in targets:
        _over_cells(metafunc, GATE_CELL, [Panel(CONTROL, panels[0].models), *panels], several)
    if LEVELLED in targets:
        _over_cells(
            metafunc, LEVELLED, [panel for panel in panels if session.requests.has_levels(panel.condition)], several
        )
    if CONTROL_CELL in targets:
        _over_cells(metafunc, CONTROL_CELL, [Panel(CONTROL, panels[0].models)], several)
    if EXPORTED in targets:
        exports = session.requests.exports(panels[0].models)
        # Without a reference there is one thing to say of a model.
        under = [panel.condition for panel in panels if session.options.reference is not None]
        cells = [Cell(model, condition) for condition in (CONTROL, *under) for model in exports]
        ids = [export_id(cell, several) for cell in cells]
        metafunc.parametrize(EXPORTED, cells, ids=ids, indirect=True)
    if PANEL in targets:
        ids = [condition_id(panel.condition, several) for panel in panels]
        metafunc.parametrize(PANEL, panels, ids=ids, indirect=True)


def _over_cells(metafunc: pytest.Metafunc, fixture: str, panels: Sequence[Panel], several: bool) -> None:
    cells = [Cell(model, panel.condition) for panel in panels for model in panel.models]
    names = short_names([cell.model for cell in cells])
    ids = [cell_id(cell, names[cell.model], several) for cell in cells]
    metafunc.parametrize(fixture, cells, ids=ids, indirect=True)


def requests(item: pytest.Item, session: RobustnessSession) -> list[Cell | Panel]:
    """Return what ``item`` needs: its own cell or condition, else all that its markers name."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    found = [value for value in params.values() if isinstance(value, Cell | Panel)]
    return found if found or not _wishes(item) else list(_panels(item, session))


def studies(item: pytest.Item, session: RobustnessSession) -> list[StudyRequest]:
    """Return what ``item`` is going to ask of the study that its marker names, as far as its fixtures show."""
    name = study_of(item)
    return [] if name is None else [StudyRequest(name, subject) for subject in requests(item, session)]


def _panels(node: pytest.Item | pytest.Collector, session: RobustnessSession) -> list[Panel]:
    wishes, asked = _wishes(node), session.requests
    models = asked.expand_models(wishes["models"]) if "models" in wishes else asked.require_models()
    conditions = asked.expand_conditions(wishes["transforms"]) if "transforms" in wishes else asked.conditions
    return [Panel(condition, models) for condition in conditions]


def _wishes(node: pytest.Item | pytest.Collector) -> dict[str, Any]:
    """Return what the markers of a test say together."""
    return merged(markers(node), node.nodeid)


def merged(given: Iterable[pytest.Mark], nodeid: str) -> dict[str, Any]:
    """Return what markers say together; of two that name one argument, the first counts.

    Raises
    ------
    OptionError
        When a marker says anything else.
    """
    wishes: dict[str, Any] = {}
    for marker in given:
        if not _ARGUMENTS.issuperset(marker.kwargs) or marker.args:
            raise OptionError(
                f"@pytest.mark.robustness takes models=[...] and transforms=[...] and nothing else; see {nodeid}."
            )
        wishes = {**marker.kwargs, **wishes}
    return wishes


def markers(node: pytest.Item | pytest.Collector) -> Iterator[pytest.Mark]:
    """Yield the markers of a test, the closest first: its own, those of its class, of that one's bases, of its file."""
    for holder in reversed(node.listchain()):
        own = [marker for marker in holder.own_markers if marker.name == "robustness"]
        if isinstance(holder, pytest.Class):  # pytest gives those of a base before those of the class itself
            own.sort(key=lambda marker: _distance(marker, holder.obj))
        yield from own


def _distance(marker: pytest.Mark, holder: type) -> int:
    """Return how many bases lie between a class and the one that has ``marker``; 0 where a hook gave it."""
    for distance, base in enumerate(holder.__mro__):
        given = vars(base).get("pytestmark", [])
        if any(getattr(one, "mark", one) is marker for one in (given if isinstance(given, list) else [given])):
            return distance
    return 0
