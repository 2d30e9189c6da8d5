"""The values that all stages share, and the Protocols of their interchangeable parts.

Everything here is frozen and imports neither torch nor pytest, so every other module may import it. Accuracies are
percentages and differences are percentage points throughout: ``difference == treated - control``.
"""

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
