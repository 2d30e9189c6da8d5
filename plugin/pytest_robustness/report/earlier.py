"""Add to the report of a run what earlier runs found on the same images, as far as it still holds."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.text import counted
from pytest_robustness.inference.plan import Plan
from pytest_robustness.report.build import assemble
from pytest_robustness.report.run_tests import RunTests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.past_runs import PastRun, Present
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.report.build import RunRecord
    from pytest_robustness.report.run_report import RunReport

    JudgeOf = Callable[[StoredPredictions, RunLog], Judge]
    """Returns what makes the findings of a log from its predictions."""

_log = logging.getLogger(__name__)


class _Found(NamedTuple):
    """The findings of earlier runs with the dates of their runs, and how many of them hold no longer."""

    models: dict[Cell, tuple[ModelTest, str]]
    classes: dict[Panel, tuple[ClassTest, str]]
    left_out: int


def with_earlier(
    run: RunRecord, own: RunReport, past: Sequence[PastRun], present: Present, judge_of: JudgeOf
) -> RunReport:
    """Return ``own`` with the findings of ``past`` that this run did not make itself; ``own`` where there are none.

    The findings are made from the answers in the store, by the policy of this run.

    Parameters
    ----------
    run, own
        The run, and its report.
    past
        Earlier runs on the same images, the latest last.
    present
        What the run would compute with: what was computed with anything else is left out.
    judge_of
        Makes the findings.
    """
    held = _held(run.run_log, past, present, set(own.models))
    log = _combined(run.run_log, held, present)
    predictions = StoredPredictions(lambda: run.predictor.store, log)
    dates = {cell: date for cell, (_, date) in held.items() if _there(predictions, cell)}
    log.keys = {cell: key for cell, key in log.keys.items() if cell in dates or cell in run.run_log.keys}
    found = _findings(own, run.run_log, log, past, lambda of_past: judge_of(predictions, of_past))
    if not found.models and not found.classes:
        return dataclasses.replace(own, earlier_note=_note(found.left_out)) if found.left_out else own
    tests: list[Cell | Panel] = [*found.models, *found.classes]
    used = set(Plan.of(tests).cells)
    log.keys = {cell: key for cell, key in log.keys.items() if cell in used or cell in run.run_log.keys}
    models, conditions = _in_order(own, used, past)
    record = dataclasses.replace(run, run_log=log, predictions=predictions)
    whole = assemble(record, models, conditions, _merged(own, found, models, conditions))
    return dataclasses.replace(
        whole,
        this_run=own,
        earlier={cell: dates[cell] for cell in used if cell in dates},
        earlier_classes={Panel(test.condition, test.models): date for test, date in found.classes.values()},
        earlier_note=_note(found.left_out),
        # What the run says of itself, and of its images, is said of this run alone.
        **{name: getattr(own, name) for name in ("notes", "data_notes", "studies", "lost", "images")},
    )


def _held(log: RunLog, past: Sequence[PastRun], present: Present, models: set[str]) -> dict[Cell, tuple[str, str]]:
    """Return the cells of earlier runs that still hold and that this run lacks, each with its key and latest date."""
    held: dict[Cell, tuple[str, str]] = {}
    for each in past:
        held |= {cell: (key, each.when) for cell, key in present.still_hold(each).items()}
    return {
        cell: found
        for cell, found in held.items()
        if cell.model in models
        and not log.known([cell])
        # What has no control now, or failed in it, is compared with nothing.
        and Cell(cell.model, CONTROL) not in log.errors
        and (Cell(cell.model, CONTROL) in log.keys or Cell(cell.model, CONTROL) in held)
    }


def _combined(log: RunLog, held: Mapping[Cell, tuple[str, str]], present: Present) -> RunLog:
    """Return the log of this run with the cells of earlier ones."""
    facts = {cell.model: present.facts(cell.model) for cell in held}
    return dataclasses.replace(
        log,
        keys={**{cell: key for cell, (key, _) in held.items()}, **log.keys},
        models={**{model: found for model, found in facts.items() if found is not None}, **log.models},
        studied={},
    )


def _there(predictions: StoredPredictions, cell: Cell) -> bool:
    try:
        predictions.counts(cell)
    except RobustnessError:
        _log.debug("the store has no longer all of %s", cell, exc_info=True)
        return False
    return True


def _findings(
    own: RunReport, log: RunLog, whole: RunLog, past: Sequence[PastRun], judge_of: Callable[[RunLog], Judge]
) -> _Found:
    """Make the findings of the tests that this run did not ask for; of several runs the latest that did counts."""
    own_panels = {test.condition for test in log.tests if isinstance(test, Panel)}
    found, seen = _Found({}, {}, 0), set(log.tests)
    left_out: set[Cell | Panel] = set()
    for each in reversed(past):
        judge = judge_of(dataclasses.replace(whole, plan=each.log.plan, unplanned=each.log.unplanned))
        panels = {test.condition for test in found.classes} | own_panels
        for test in each.log.tests:
            cells = Plan.of([test]).cells
            if test in seen or (isinstance(test, Panel) and test.condition in panels):
                continue
            if not {cell.model for cell in cells} <= set(own.models):  # nobody expects them
                continue
            if not all(cell in whole.keys for cell in cells):
                left_out.add(test)
                continue
            seen.add(test)
            try:
                if isinstance(test, Panel):
                    found.classes[test] = judge.class_test(test), each.when
                else:
                    found.models[test] = judge.model_test(test), each.when
            except (RobustnessError, LookupError):  # a baseline that has no such model or condition, say
                _log.debug("%s cannot be judged again", test, exc_info=True)
                left_out.add(test)
    return found._replace(left_out=len(left_out - {*found.models, *found.classes}))


def _in_order(
    own: RunReport, used: Iterable[Cell], past: Sequence[PastRun]
) -> tuple[tuple[str, ...], tuple[Condition, ...]]:
    """Return models and conditions in the order of this run, and what it lacks in that of the earlier ones."""
    cells = set(used)
    models = [model for each in reversed(past) for model in each.models]
    conditions = [condition for each in reversed(past) for condition in each.conditions]
    there = {cell.condition for cell in cells} - {CONTROL}
    others = [*(c for c in conditions if c in there), *sorted(there, key=str)]
    return (
        tuple(dict.fromkeys([*own.models, *(m for m in models if m in {cell.model for cell in cells})])),
        tuple(dict.fromkeys([*own.conditions, *others])),
    )


def _merged(own: RunReport, found: _Found, models: Sequence[str], conditions: Sequence[Condition]) -> RunTests:
    of_models = [*own.model_tests, *(test for test, _ in found.models.values())]
    of_classes = [*own.class_tests, *(test for test, _ in found.classes.values())]
    of_models.sort(key=lambda test: (conditions.index(test.condition), models.index(test.model)))
    of_classes.sort(key=lambda test: conditions.index(test.condition))
    return RunTests(tuple(of_models), tuple(of_classes), own.gate_tests, own.image_tests, own.errors)


def _note(left_out: int) -> str:
    if not left_out:
        return ""
    are = "is" if left_out == 1 else "are"
    return (
        f"{counted(left_out, 'finding')} of earlier runs {are} left out: models, transforms or settings are others "
        f"now, or this run did not load the models."
    )
