"""Describe a robustness test to Allure before it runs: its place in the report and its identity in the history."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_robustness.analysis.findings import ClassTest
from pytest_robustness.core import Cell, Condition, Panel
from pytest_robustness.core.naming import condition_text, short_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_robustness.analysis.findings import Finding

ALL_MODELS = "all models"
"""Stands for the model in a test of the classes, also if only one model took part."""


class Kind(StrEnum):
    """What a test judges; the name is its suite."""

    MODEL = "Models"
    CLASSES = "Classes"
    COMPARISON = "Comparison with the baseline"
    STUDY = "Studies"


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
    study
        The name of the study, where the test asks one.
    """

    kind: Kind
    model: str
    label: str
    condition: Condition
    models: tuple[str, ...]
    dataset: str
    study: str = ""

    @property
    def title(self) -> str:
        """The name of the test in a report."""
        subjects = {
            Kind.MODEL: self.label,
            Kind.CLASSES: "classes",
            Kind.COMPARISON: f"{self.label} against the baseline",
            Kind.STUDY: f"{self.study.replace('_', ' ')} of {self.label}",
        }
        return f"{subjects[self.kind]} under {condition_text(self.condition)}"

    def labels(self, several_severities: bool) -> list[tuple[str, str]]:
        """Return Allure's labels: feature = transform, story = model, and suites kind > transform > severity.

        Allure's own ``severity`` grades failures, so the transform's is ``transform_severity``. A suite for each
        severity is useful only if the run has several.
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
        """Return what identifies this test in the history: names only, nothing of the machine or the run."""
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
    study: str = "",
) -> list[Facts]:
    """Return the facts about a test's subjects, each once, in order.

    Parameters
    ----------
    subjects
        The cells and panels that the test runs over, or the findings that it requested.
    models
        The models of the run, among which a short name must be unambiguous.
    dataset
        The data as the user named it.
    compared
        Whether the test compares models with a baseline.
    study
        The study that the test asks, by its marker; empty where it asks none.
    """
    short = short_names(models)
    of_models = Kind.STUDY if study else Kind.COMPARISON if compared else Kind.MODEL
    of_classes = Kind.STUDY if study else Kind.CLASSES
    found: dict[Facts, None] = {}
    for subject in subjects:
        if isinstance(subject, Panel | ClassTest):
            facts = Facts(of_classes, ALL_MODELS, ALL_MODELS, subject.condition, subject.models, dataset, study)
        else:
            name = ", ".join(subject.models)
            facts = Facts(of_models, name, short.get(name, name), subject.condition, (name,), dataset, study)
        found[facts] = None
    return list(found)
