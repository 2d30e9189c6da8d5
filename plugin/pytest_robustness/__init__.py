"""pytest-robustness: how sensitive image classifiers are to simple transforms, and which classes are to blame.

The names exported here are the public API; `pytest_robustness.errors` documents the errors, and
`pytest_robustness.strategies` has strategies of Hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_robustness.analysis.diagnosis import Diagnosis
    from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.analysis.test_result import McNemarResult, Outcome, TestResult, TTestResult, Verdict
    from pytest_robustness.api.compare import Comparison, compare
    from pytest_robustness.api.doctor import doctor
    from pytest_robustness.api.evaluate import evaluate
    from pytest_robustness.api.evaluation import Evaluation
    from pytest_robustness.core import Cell, ClassLabel, Condition, DataSource, Model, Panel, Preprocess
    from pytest_robustness.inference.transformed import transformed
    from pytest_robustness.plugin.asked import asks_study
    from pytest_robustness.plugin.assertion import NotRobust, assert_robust
    from pytest_robustness.plugin.configuration import run_mode
    from pytest_robustness.session.options import RunMode
    from pytest_robustness.session.session import RobustnessSession

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
    "evaluate",
    "run_mode",
    "transformed",
]

_HOMES = {
    "api.compare": ("Comparison", "compare"),
    "analysis.diagnosis": ("Diagnosis",),
    "api.doctor": ("doctor",),
    "api.evaluate": ("evaluate",),
    "api.evaluation": ("Evaluation",),
    "core": ("Cell", "ClassLabel", "Condition", "DataSource", "Model", "Panel", "Preprocess"),
    "analysis.findings": ("ClassTest", "GateTest", "ImageTest", "ModelTest"),
    "analysis.study_finding": ("StudyFinding",),
    "analysis.test_result": ("McNemarResult", "Outcome", "TTestResult", "TestResult", "Verdict"),
    "inference.transformed": ("transformed",),
    "plugin.asked": ("asks_study",),
    "plugin.assertion": ("NotRobust", "assert_robust"),
    "plugin.configuration": ("run_mode",),
    "session.options": ("RunMode",),
    "session.session": ("RobustnessSession",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every run, whatever it tests: nothing heavy is loaded before it is used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_robustness.core.process import quick_imports

    with quick_imports():
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
