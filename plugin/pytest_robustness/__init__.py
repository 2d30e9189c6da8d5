"""pytest-robustness: how sensitive image classifiers are to simple transforms, and which classes are to blame.

What is exported here is the public API; `pytest_robustness.errors` documents the errors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.process import quick_imports

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import ClassTest, ImageTest, ModelTest
    from pytest_robustness.analysis.test_result import Outcome, TestResult, Verdict
    from pytest_robustness.core import Cell, ClassLabel, Condition, Model, Panel, Preprocess
    from pytest_robustness.plugin.assertion import NotRobust, assert_robust
    from pytest_robustness.plugin.session import RobustnessSession

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

_HOMES = {
    "core": ("Cell", "ClassLabel", "Condition", "Model", "Panel", "Preprocess"),
    "analysis.findings": ("ClassTest", "ImageTest", "ModelTest"),
    "analysis.test_result": ("Outcome", "TestResult", "Verdict"),
    "plugin.assertion": ("NotRobust", "assert_robust"),
    "plugin.session": ("RobustnessSession",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every run, whatever it tests: nothing is loaded before it is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with quick_imports():
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
