"""pytest-robustness: how sensitive image classifiers are to simple transforms, and which classes are to blame.

What is exported here is the public API; `pytest_robustness.errors` documents the errors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_robustness.imports import quickly

if TYPE_CHECKING:
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
    from pytest_robustness.session import RobustnessSession

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
    "RobustnessSession",
    "TestResult",
    "Verdict",
    "assert_robust",
]

_HOMES = {"NotRobust": "assertion", "assert_robust": "assertion", "RobustnessSession": "session"}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every run, whatever it tests: nothing is loaded before it is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with quickly():
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'records')}"), name)
