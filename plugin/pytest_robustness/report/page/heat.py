"""The tables of the overview: the heat table, and the bars of classes and of models for each condition."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.report.summary import Mark, mark, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport


@dataclasses.dataclass(frozen=True)
class HeatCell:
    """One model under one condition.

    ``change`` is what ``mark`` speaks of, ``top1`` the change of top-1 accuracy over all images where that may be
    another. ``change`` is ``None`` where there is no figure: it failed with ``error``, or for the reason ``missing``.
    ``date`` is that of the earlier run that the figure is from, if it is from one.
    """

    change: float | None
    top1: float | None
    mark: Mark
    error: str | None
    missing: str
    date: str


@dataclasses.dataclass(frozen=True)
class HeatRow:
    """One model: its top-1 accuracy in control, in percent, where that was computed, and a cell for each condition.

    ``average`` is the mean change over the conditions, and ``rank`` its place by that, 1 for the least fall; a model
    that lacks a condition, or could not be judged under one, has neither. ``top5`` is the top-5 accuracy in control,
    where that is defined.
    """

    model: str
    control: float | None
    cells: tuple[HeatCell, ...]
    average: float | None = None
    rank: int | None = None
    top5: float | None = None

    @property
    def failed(self) -> bool:
        """Whether the model could be judged under no condition."""
        return bool(self.cells) and all(cell.error is not None for cell in self.cells)


@dataclasses.dataclass(frozen=True)
class ClassBar:
    """How the classes divide under one condition, by their t-tests over the models, or, of one model, over the images.

    ``allowed`` is how many may be sensitive. ``beyond`` counts those that are beyond the class
    margin, over all models or in one alone.
    """

    condition: Condition
    sensitive: int
    insensitive: int
    untested: int
    allowed: int
    beyond: int
    outcome: Outcome

    @property
    def classes(self) -> int:
        """All classes."""
        return self.sensitive + self.insensitive + self.untested


@dataclasses.dataclass(frozen=True)
class ModelBar:
    """How many of the models tested under one condition are impacted, as in the article: by their t-tests.

    ``beyond`` counts the models that the images show to have changed by more than the margin.
    """

    condition: Condition
    impacted: int
    models: int
    beyond: int


def rows(report: RunReport) -> list[HeatRow]:
    """Return the rows of the heat table: each model with a cell for each condition, and its rank among the models."""
    tests = {(test.model, test.condition): test for test in report.model_tests}
    seen = {cell.model for cell in (*report.counts, *report.errors)}
    unjudged = report.unjudged
    found = [
        _row(
            model,
            report.control_accuracy(model),
            tuple(_heat_cell(report, Cell(model, c), tests.get((model, c)), unjudged) for c in shown(report)),
            report.top5_accuracy(Cell(model, CONTROL)),
        )
        for model in report.models
        if model in seen
    ]
    averages = [row.average for row in found if row.average is not None]
    return [
        row if row.average is None else dataclasses.replace(row, rank=1 + sum(a > row.average for a in averages))
        for row in found
    ]


def mean_average(found: list[HeatRow]) -> float | None:
    """Return the mean of the models' averages, in points."""
    known = [row.average for row in found if row.average is not None]
    return sum(known) / len(known) if known else None


def average_control(found: list[HeatRow]) -> float | None:
    """Return the mean accuracy in control of the models that count in averages, in percent."""
    known = [row.control for row in found if row.control is not None and not row.failed]
    return sum(known) / len(known) if known else None


def widest_mark(found: list[HeatRow]) -> int:
    """Return how many signs the longest mark has."""
    return max((len(cell.mark.sign) for row in found for cell in row.cells), default=0)


def class_bars(report: RunReport) -> list[ClassBar]:
    """Return a bar for each class test."""
    return [_class_bar(test) for test in report.class_tests]


def model_bars(report: RunReport) -> list[ModelBar]:
    """Return a bar for each condition that models were tested under."""
    found: dict[Condition, list[ModelTest]] = {}
    for test in report.model_tests:
        found.setdefault(test.condition, []).append(test)
    margin = report.policy.margin
    return [
        ModelBar(
            condition,
            sum(test.impacted for test in tests),
            len(tests),
            sum(test.change.beyond(margin) for test in tests),
        )
        for condition, tests in found.items()
    ]


def _row(model: str, control: float | None, cells: tuple[HeatCell, ...], top5: float | None) -> HeatRow:
    changes = [cell.change for cell in cells if cell.change is not None and cell.error is None]
    whole = bool(cells) and len(changes) == len(cells)
    return HeatRow(model, control, cells, sum(changes) / len(changes) if whole else None, top5=top5)


def _heat_cell(report: RunReport, cell: Cell, test: ModelTest | None, unjudged: Mapping[Cell, str]) -> HeatCell:
    missing = "no control" if cell in report.counts else "not run"
    top1 = report.top1_change(cell) if report.over_classes else None
    found = (report.change(cell), top1, mark(test, report.policy), unjudged.get(cell))
    return HeatCell(*found, missing, report.earlier.get(cell, ""))


def _class_bar(test: ClassTest) -> ClassBar:
    return ClassBar(
        condition=test.condition,
        sensitive=len(test.sensitive),
        insensitive=test.tested - len(test.sensitive),
        untested=len(test.classes) - test.tested + len(test.untested),
        allowed=test.allowed,
        beyond=len(test.beyond_anywhere),
        outcome=test.verdict.outcome,
    )
