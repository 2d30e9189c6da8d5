"""Make the findings that a run asked for again, in the order of its options, for a report."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, TypeVar

from pytest_robustness.analysis.predictions import pair
from pytest_robustness.core import Cell, Panel
from pytest_robustness.core.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.run_log import RunLog

_log = logging.getLogger(__name__)

_Asked = TypeVar("_Asked", bound=Cell | Panel)
_Found = TypeVar("_Found")


@dataclasses.dataclass(frozen=True)
class RunTests:
    """The findings of a run, in the order of its options; ``errors`` says why the tests of a cell could not be made."""

    models: tuple[ModelTest, ...]
    classes: tuple[ClassTest, ...]
    gate: tuple[GateTest, ...]
    images: tuple[ImageTest, ...] = ()
    errors: Mapping[Cell, str] = dataclasses.field(default_factory=dict)


def run_tests(log: RunLog, judge: Judge, models: Sequence[str], conditions: Sequence[Condition]) -> RunTests:
    """Return the findings of what ``log`` says was asked for and computed.

    What cannot be compared with the baseline is an error of its cell, and keeps no other finding from the report.
    """
    cells, panels = _in_order(log, models, conditions)
    errors: dict[Cell, str] = {}
    return RunTests(
        tuple(_made(judge.model_test, cells, errors)),
        tuple(_made(judge.class_test, panels, errors)),
        tuple(_made(judge.gate_test, filter(log.testable, log.gated), errors)),
        tuple(
            judge.image_test(cell)
            # Several processes finish in no fixed order.
            for cell in sorted(log.imaged, key=lambda cell: (models.index(cell.model), str(cell.condition)))
            if log.testable(cell)
        ),
        # A class test is made over the models that have a counterpart; the others must not vanish.
        errors | dict(_without_counterpart(log, judge, panels)),
    )


def _made(make: Callable[[_Asked], _Found], asked: Iterable[_Asked], errors: dict[Cell, str]) -> Iterator[_Found]:
    """Yield the findings that can be made; put the reasons of the others into ``errors``."""
    for test in asked:
        try:
            yield make(test)
        except BaselineError as error:
            _log.debug("%s cannot be compared", test, exc_info=True)
            if isinstance(test, Cell):
                errors[test] = str(error)


def _without_counterpart(log: RunLog, judge: Judge, panels: Iterable[Panel]) -> Iterator[tuple[Cell, str]]:
    for panel in panels:
        for model in panel.models:
            if (text := judge.unexpected(model)) and log.finished(*pair(model, panel.condition)):
                yield Cell(model, panel.condition), text


def _in_order(log: RunLog, models: Sequence[str], conditions: Sequence[Condition]) -> tuple[list[Cell], list[Panel]]:
    """Return what was tested, in the order of the options, whatever the order in which tests asked."""
    tests = sorted(filter(log.testable, log.tests), key=lambda test: conditions.index(test.condition))
    cells = [test for test in tests if isinstance(test, Cell)]
    cells.sort(key=lambda cell: (conditions.index(cell.condition), models.index(cell.model)))
    return cells, [test for test in tests if isinstance(test, Panel)]
