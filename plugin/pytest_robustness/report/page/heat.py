"""The tables of the overview: the heat table, and the bars of classes and of models for each condition."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core import Cell
from pytest_robustness.report.summary import mark, shown

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport


@dataclasses.dataclass(frozen=True)
class HeatCell:
    """One model under one condition; ``change`` is ``None`` where nothing was computed, or it failed with ``error``.

    ``mark`` is the sign of the test's result and ``word`` says it; both are empty where it passed or did not run.
    """

    change: float | None
    mark: str
    word: str
    error: str | None


@dataclasses.dataclass(frozen=True)
class ClassBar:
    """How the classes divide under one condition.

    ``allowed`` is how many may be sensitive; ``exceeded`` says whether more are, known from a baseline or not.
    """

    condition: Condition
    sensitive: int
    insensitive: int
    untested: int
    allowed: int
    exceeded: bool

    @property
    def classes(self) -> int:
        """All classes."""
        return self.sensitive + self.insensitive + self.untested


@dataclasses.dataclass(frozen=True)
class ModelBar:
    """How many of the models tested under one condition are impacted."""

    condition: Condition
    impacted: int
    models: int


def rows(report: RunReport) -> list[tuple[str, list[HeatCell]]]:
    """Return the rows of the heat table: each model with a cell for each condition."""
    tests = {(test.model, test.condition): test for test in report.model_tests}
    seen = {cell.model for cell in (*report.counts, *report.errors)}
    return [
        (
            model,
            [_heat_cell(report, Cell(model, condition), tests.get((model, condition))) for condition in shown(report)],
        )
        for model in report.models
        if model in seen
    ]


def class_bars(report: RunReport) -> list[ClassBar]:
    """Return a bar for each class test."""
    return [_class_bar(test) for test in report.class_tests]


def model_bars(report: RunReport) -> list[ModelBar]:
    """Return a bar for each condition that models were tested under."""
    found: dict[Condition, list[bool]] = {}
    for test in report.model_tests:
        found.setdefault(test.condition, []).append(test.impacted)
    return [ModelBar(condition, sum(impacted), len(impacted)) for condition, impacted in found.items()]


def _heat_cell(report: RunReport, cell: Cell, test: ModelTest | None) -> HeatCell:
    sign = mark(report, test)
    return HeatCell(
        report.change(cell), sign, report.question.answer(test) if test and sign else "", report.errors.get(cell)
    )


def _class_bar(test: ClassTest) -> ClassBar:
    return ClassBar(
        condition=test.condition,
        sensitive=len(test.sensitive),
        insensitive=test.tested - len(test.sensitive),
        untested=len(test.classes) - test.tested + len(test.untested),
        allowed=test.allowed,
        exceeded=len(test.sensitive) > test.allowed,
    )
