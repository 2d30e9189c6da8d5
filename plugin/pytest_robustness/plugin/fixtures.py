"""The fixtures: each a few lines that delegate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.plugin.active import robustness_session
from pytest_robustness.plugin.fixture_names import CELL, CONTROL_CELL, EXPORTED, GATE_CELL, LEVELLED, PANEL
from pytest_robustness.session.options import RunMode

if TYPE_CHECKING:
    from pytest_robustness.core import Cell, Panel
    from pytest_robustness.session.session import RobustnessSession


@pytest.fixture(scope="session")
def robustness(request: pytest.FixtureRequest) -> RobustnessSession:
    """Answer questions: ``model_test``, ``class_test``, ``image_test`` and ``gate_test``. Scope: session."""
    return robustness_session(request.config)


@pytest.fixture
def cell(robustness: RobustnessSession, _robustness_cell: Cell) -> Cell:
    """One model under one condition, computed; the test runs once for each of the run's. Scope: function."""
    robustness.ensure(_robustness_cell)
    return _robustness_cell


@pytest.fixture
def gate_cell(robustness: RobustnessSession, _robustness_gate_cell: Cell) -> Cell:
    """One model under one condition or control, computed, to compare with the baseline. Scope: function."""
    if robustness.options.mode is RunMode.WRITE:
        pytest.skip("this run writes the baseline: there is nothing to compare with")
    robustness.ensure(_robustness_gate_cell)
    return _robustness_gate_cell


@pytest.fixture
def levelled_cell(robustness: RobustnessSession, _robustness_levelled_cell: Cell) -> Cell:
    """One model under one condition whose transform has levels, computed. Scope: function."""
    robustness.ensure(_robustness_levelled_cell)
    return _robustness_levelled_cell


@pytest.fixture
def control_cell(robustness: RobustnessSession, _robustness_control_cell: Cell) -> Cell:
    """One model under control, computed; the test runs once for each model. Scope: function."""
    robustness.ensure(_robustness_control_cell)
    return _robustness_control_cell


@pytest.fixture
def exported_cell(robustness: RobustnessSession, _robustness_exported_cell: Cell) -> Cell:
    """One model under control or one condition, computed; once for each but the reference. Scope: function."""
    robustness.ensure(_robustness_exported_cell)
    return _robustness_exported_cell


@pytest.fixture
def condition(robustness: RobustnessSession, _robustness_condition: Panel) -> Panel:
    """One condition with the models to test over, computed; the test runs once for each. Scope: function."""
    robustness.ensure(_robustness_condition)
    return _robustness_condition


# Parametrization targets these private fixtures, so that a project may define its own `cell` or `condition`.
def _parameter(name: str) -> Any:
    """Return a fixture of that name, which gives what the test is parametrized with."""

    def given(request: pytest.FixtureRequest) -> Any:
        return request.param

    return pytest.fixture(name=name)(given)


_cell = _parameter(CELL)
_gate_cell = _parameter(GATE_CELL)
_levelled_cell = _parameter(LEVELLED)
_control_cell = _parameter(CONTROL_CELL)
_exported_cell = _parameter(EXPORTED)
_panel = _parameter(PANEL)
