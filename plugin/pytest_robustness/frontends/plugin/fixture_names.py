"""The names of the private fixtures: the session, and those that parametrization targets."""

from __future__ import annotations

SESSION = "_robustness_session"
CELL = "_robustness_cell"
GATE_CELL = "_robustness_gate_cell"
PANEL = "_robustness_condition"
LEVELLED = "_robustness_levelled_cell"
CONTROL_CELL = "_robustness_control_cell"
EXPORTED = "_robustness_exported_cell"

TARGETS = frozenset({CELL, GATE_CELL, PANEL, LEVELLED, CONTROL_CELL, EXPORTED})
"""Those that parametrization targets."""
