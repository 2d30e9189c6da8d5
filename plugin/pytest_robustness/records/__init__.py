"""The values that flow through the house, and the Protocols behind which strategies stand.

Everything here is frozen and imports neither torch nor pytest, so every other module may import it. Accuracies are
percentages and differences are percentage points throughout: ``difference == treated - control``.
"""

from pytest_robustness.records.data import ClassLabel, ClassMatch, DataSource, Selection
from pytest_robustness.records.findings import (
    ClassChange,
    ClassFinding,
    ClassTest,
    Counts,
    Finding,
    ImageAccuracy,
    ImageTest,
    ModelTest,
)
from pytest_robustness.records.models import Canvas, Interpolation, Model, Preprocess
from pytest_robustness.records.run import CONTROL, PIPELINE_VERSION, Cell, Condition, Panel, Shard
from pytest_robustness.records.stages import (
    Engine,
    Executor,
    Predictions,
    Progress,
    Runner,
    Runtime,
    Transform,
    Workload,
)
from pytest_robustness.records.verdicts import (
    CONFIDENCE,
    Correction,
    Equivalence,
    MaxSensitive,
    Outcome,
    TestKind,
    TestResult,
    Verdict,
)

__all__ = [
    "CONFIDENCE",
    "CONTROL",
    "PIPELINE_VERSION",
    "Canvas",
    "Cell",
    "ClassChange",
    "ClassFinding",
    "ClassLabel",
    "ClassMatch",
    "ClassTest",
    "Condition",
    "Correction",
    "Counts",
    "DataSource",
    "Engine",
    "Equivalence",
    "Executor",
    "Finding",
    "ImageAccuracy",
    "ImageTest",
    "Interpolation",
    "MaxSensitive",
    "Model",
    "ModelTest",
    "Outcome",
    "Panel",
    "Predictions",
    "Preprocess",
    "Progress",
    "Runner",
    "Runtime",
    "Selection",
    "Shard",
    "TestKind",
    "TestResult",
    "Transform",
    "Verdict",
    "Workload",
]
