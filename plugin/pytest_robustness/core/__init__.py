"""The values that all stages share, and the Protocols of their interchangeable parts.

Everything here is frozen and imports neither torch nor pytest, so every other module may import it. Accuracies are
percentages and differences are percentage points throughout: ``difference == treated - control``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_robustness.core.conditions import CONTROL, PIPELINE_VERSION, Cell, Condition, Panel, Shard
    from pytest_robustness.core.dataset import (
        UNLABELLED,
        ClassLabel,
        ClassMatch,
        DataSource,
        IdentifiedSource,
        MatchMethod,
        OrientedSource,
        Selection,
        ThreadedSource,
        VerifyingSource,
    )
    from pytest_robustness.core.model import SETTINGS, Canvas, Interpolation, Model, Origin, Preprocess, Setting
    from pytest_robustness.core.protocols import (
        BindableTransform,
        EngineUsed,
        Predictions,
        Progress,
        Runner,
        Runtime,
        Transform,
        Workload,
        bound,
    )

__all__ = [
    "CONTROL",
    "PIPELINE_VERSION",
    "SETTINGS",
    "UNLABELLED",
    "BindableTransform",
    "Canvas",
    "Cell",
    "ClassLabel",
    "ClassMatch",
    "Condition",
    "DataSource",
    "EngineUsed",
    "IdentifiedSource",
    "Interpolation",
    "MatchMethod",
    "Model",
    "OrientedSource",
    "Origin",
    "Panel",
    "Predictions",
    "Preprocess",
    "Progress",
    "Runner",
    "Runtime",
    "Selection",
    "Setting",
    "Shard",
    "ThreadedSource",
    "Transform",
    "VerifyingSource",
    "Workload",
    "bound",
]

_HOMES = {
    "conditions": ("CONTROL", "PIPELINE_VERSION", "Cell", "Condition", "Panel", "Shard"),
    "dataset": (
        "UNLABELLED",
        "ClassLabel",
        "ClassMatch",
        "DataSource",
        "IdentifiedSource",
        "MatchMethod",
        "OrientedSource",
        "Selection",
        "ThreadedSource",
        "VerifyingSource",
    ),
    "model": ("SETTINGS", "Canvas", "Interpolation", "Model", "Origin", "Preprocess", "Setting"),
    "protocols": (
        "BindableTransform",
        "EngineUsed",
        "Predictions",
        "Progress",
        "Runner",
        "Runtime",
        "Transform",
        "Workload",
        "bound",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Every run of pytest imports this package, whatever it tests: a dataclass is made where it is used first.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
