"""What Allure should know of a robustness test before it has run: where it belongs, and what makes it the same test."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_robustness.analysis.findings import ClassTest
from pytest_robustness.core import Cell, Condition, Panel
from pytest_robustness.core.naming import short_names
from pytest_robustness.report.number_text import condition_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_robustness.analysis.findings import Finding

ALL_MODELS = "all models"
"""The model of a test of the classes, be it over one model alone."""


class Kind(StrEnum):
    """What a test judges: the suite that it belongs to."""

    MODEL = "Models"
    CLASSES = "Classes"
    COMPARISON = "Comparison with the baseline"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one test is about.

    Parameters
    ----------
    kind
        What the test judges.
    model
        The model's full name, or `ALL_MODELS`.
    label
        Its short name.
    condition
        The transform and its severity.
    models
        All models that the test judges.
    dataset
        The data as the user named it.
    """

    kind: Kind
    model: str
    label: str
    condition: Condition
    models: tuple[str, ...]
    dataset: str

    @property
    def title(self) -> str:
        """The name of the test in a report."""
        subjects = {
            Kind.MODEL: self.label,
            Kind.CLASSES: "classes",
            Kind.COMPARISON: f"{self.label} against the baseline",
        }
        return f"{subjects[self.kind]} under {condition_text(self.condition)}"

    def labels(self, several_severities: bool) -> list[tuple[str, str]]:
        """Return Allure's labels: feature = transform, story = model, and suites kind > transform > severity.

        Allure's own ``severity`` says how bad a failure is, so the transform's is ``transform_severity``. A suite for
        the severity pays only where the run has several.
        """
        found = [
            ("feature", self.condition.transform),
            ("story", self.model),
            ("parentSuite", self.kind.value),
            ("suite", self.condition.transform),
            ("model", self.model),
            ("transform", self.condition.transform),
            ("dataset", self.dataset),
        ]
        if self.condition.severity is not None:
            found.append(("transform_severity", str(self.condition.severity)))
            if several_severities:
                found.append(("subSuite", f"severity {self.condition.severity}"))
        return found

    def parameters(self) -> dict[str, str]:
        """Return what tells this test from others in the history: names as text, nothing of the machine or the run."""
        found = {"model": self.model, "transform": self.condition.transform, "dataset": self.dataset}
        if self.condition.severity is not None:
            found["severity"] = str(self.condition.severity)
        return found


def facts_of(
    subjects: Iterable[Cell | Panel | Finding],
    models: Sequence[str],
    dataset: str,
    *,
    compared: bool = False,
) -> list[Facts]:
    """Return the facts of what a test is about, each once, in order.

    Parameters
    ----------
    subjects
        The cells and panels that it runs over, or else the findings that it asked for.
    models
        The models of the run, which say how short a model's name may be.
    dataset
        The data as the user named it.
    compared
        Whether the test compares models with a baseline.
    """
    short = short_names(models)
    of_models = Kind.COMPARISON if compared else Kind.MODEL
    found: dict[Facts, None] = {}
    for subject in subjects:
        if isinstance(subject, Panel | ClassTest):
            facts = Facts(Kind.CLASSES, ALL_MODELS, ALL_MODELS, subject.condition, subject.models, dataset)
        else:
            name = subject.model
            facts = Facts(of_models, name, short.get(name, name), subject.condition, (name,), dataset)
        found[facts] = None
    return list(found)
