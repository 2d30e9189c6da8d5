"""pytest-robustness: how sensitive image classifiers are to simple transforms, and which classes are to blame.

The names exported here are the public API. `errors` has the tree of errors, `strategies` has strategies of Hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_robustness.analysis.diagnosis import Diagnosis
    from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.analysis.test_result import McNemarResult, Outcome, TestResult, TTestResult, Verdict
    from pytest_robustness.core import Cell, ClassLabel, Condition, DataSource, Model, Panel, Preprocess, errors
    from pytest_robustness.frontends import strategies
    from pytest_robustness.frontends.api.compare import Comparison, compare
    from pytest_robustness.frontends.api.doctor import doctor
    from pytest_robustness.frontends.api.evaluate import evaluate
    from pytest_robustness.frontends.api.evaluation import Evaluation
    from pytest_robustness.frontends.plugin.asked import asks_study
    from pytest_robustness.frontends.plugin.assertion import NotRobust, assert_robust
    from pytest_robustness.frontends.plugin.configuration import run_mode
    from pytest_robustness.frontends.session.options import RunMode
    from pytest_robustness.frontends.session.session import RobustnessSession
    from pytest_robustness.inference.transformed import transformed

__version__ = "0.1.0"

__all__ = [
    "Cell",
    "ClassLabel",
    "ClassTest",
    "Comparison",
    "Condition",
    "DataSource",
    "Diagnosis",
    "Evaluation",
    "GateTest",
    "ImageTest",
    "McNemarResult",
    "Model",
    "ModelTest",
    "NotRobust",
    "Outcome",
    "Panel",
    "Preprocess",
    "RobustnessSession",
    "RunMode",
    "StudyFinding",
    "TTestResult",
    "TestResult",
    "Verdict",
    "asks_study",
    "assert_robust",
    "compare",
    "doctor",
    "errors",
    "evaluate",
    "run_mode",
    "strategies",
    "transformed",
]

_HOMES = {
    "frontends.api.compare": ("Comparison", "compare"),
    "analysis.diagnosis": ("Diagnosis",),
    "frontends.api.doctor": ("doctor",),
    "frontends.api.evaluate": ("evaluate",),
    "frontends.api.evaluation": ("Evaluation",),
    "core": ("Cell", "ClassLabel", "Condition", "DataSource", "Model", "Panel", "Preprocess"),
    "analysis.findings": ("ClassTest", "GateTest", "ImageTest", "ModelTest"),
    "analysis.study_finding": ("StudyFinding",),
    "analysis.test_result": ("McNemarResult", "Outcome", "TTestResult", "TestResult", "Verdict"),
    "inference.transformed": ("transformed",),
    "frontends.plugin.asked": ("asks_study",),
    "frontends.plugin.assertion": ("NotRobust", "assert_robust"),
    "frontends.plugin.configuration": ("run_mode",),
    "frontends.session.options": ("RunMode",),
    "frontends.session.session": ("RobustnessSession",),
}
_MODULES = {"errors": "core.errors", "strategies": "frontends.strategies"}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every run, whatever it tests: nothing heavy is loaded before it is used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_robustness.core.process import quick_imports

    with quick_imports():
        if name in _MODULES:
            return import_module(f"{__name__}.{_MODULES[name]}")
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
