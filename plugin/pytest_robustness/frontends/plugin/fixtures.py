"""The fixtures: each a few lines that delegate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.frontends.plugin.active import robustness_session
from pytest_robustness.frontends.plugin.fixture_names import (
    CELL,
    CONTROL_CELL,
    EXPORTED,
    GATE_CELL,
    LEVELLED,
    PANEL,
    SESSION,
)
from pytest_robustness.frontends.plugin.refusal import forget_report
from pytest_robustness.frontends.plugin.unfinished import NOTHING_TO_COMPARE
from pytest_robustness.frontends.session.options import RunMode

if TYPE_CHECKING:
    from pytest_robustness.core import Cell, Panel
    from pytest_robustness.frontends.session.session import RobustnessSession


# The plugin's own fixtures use this one, so that a project may define its own `robustness`.
@pytest.fixture(scope="session", name=SESSION)
def _session(request: pytest.FixtureRequest) -> RobustnessSession:
    """Return the session of this run."""
    # Collection does so where it knows of a test that asks.
    forget_report(request.config)
    return robustness_session(request.config)


@pytest.fixture(scope="session")
def robustness(_robustness_session: RobustnessSession) -> RobustnessSession:
    """Answer questions: ``model_test``, ``class_test``, ``image_test`` and ``gate_test``. Scope: session."""
    return _robustness_session


@pytest.fixture
def cell(_robustness_session: RobustnessSession, _robustness_cell: Cell) -> Cell:
    """One model under one condition, computed; the test runs once for each of the run's. Scope: function."""
    _robustness_session.ensure(_robustness_cell)
    return _robustness_cell


@pytest.fixture
def gate_cell(_robustness_session: RobustnessSession, _robustness_gate_cell: Cell) -> Cell:
    """One model under one condition or control, computed, to compare with the baseline. Scope: function."""
    if _robustness_session.options.mode is RunMode.WRITE:
        pytest.skip(NOTHING_TO_COMPARE)
    _robustness_session.ensure(_robustness_gate_cell)
    return _robustness_gate_cell


@pytest.fixture
def levelled_cell(_robustness_session: RobustnessSession, _robustness_levelled_cell: Cell) -> Cell:
    """One model under one condition whose transform has levels, computed. Scope: function."""
    _robustness_session.ensure(_robustness_levelled_cell)
    return _robustness_levelled_cell


@pytest.fixture
def control_cell(_robustness_session: RobustnessSession, _robustness_control_cell: Cell) -> Cell:
    """One model under control, computed; the test runs once for each model. Scope: function."""
    _robustness_session.ensure(_robustness_control_cell)
    return _robustness_control_cell


@pytest.fixture
def exported_cell(_robustness_session: RobustnessSession, _robustness_exported_cell: Cell) -> Cell:
    """One model under control or one condition, computed; once for each but the reference. Scope: function."""
    _robustness_session.ensure(_robustness_exported_cell)
    return _robustness_exported_cell


@pytest.fixture
def condition(_robustness_session: RobustnessSession, _robustness_condition: Panel) -> Panel:
    """One condition with the models to test over, computed; the test runs once for each. Scope: function."""
    _robustness_session.ensure(_robustness_condition)
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
