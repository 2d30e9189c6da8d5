"""pytest-robustness: how sensitive image classifiers are to simple transforms, and which classes are to blame.

What is exported here is the public API; `pytest_robustness.errors` documents the errors.
"""

from pytest_robustness.assertion import NotRobust, assert_robust
from pytest_robustness.records import (
    Cell,
    ClassLabel,
    ClassTest,
    Condition,
    ImageTest,
    Model,
    ModelTest,
    Outcome,
    Panel,
    Preprocess,
    TestResult,
    Verdict,
)

__version__ = "0.1.0"

__all__ = [
    "Cell",
    "ClassLabel",
    "ClassTest",
    "Condition",
    "ImageTest",
    "Model",
    "ModelTest",
    "NotRobust",
    "Outcome",
    "Panel",
    "Preprocess",
    "TestResult",
    "Verdict",
    "assert_robust",
]
