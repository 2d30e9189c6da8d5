"""The data for the page's scripts: columns as JSON, gzipped, in base64; ``scripts/data.js`` reads it.

Every figure goes as the text to show, written by `number_text` as in all reports. Where the scripts sort, shade or copy
by a figure, its number goes along: accuracies, changes and effect sizes to four decimals, p-values to six digits.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.report.class_test_words import words_of
from pytest_robustness.report.markup import packed
from pytest_robustness.report.number_text import (
    DASH,
    SHADE_STEPS,
    effect_size,
    interval,
    or_dash,
    p_value,
    percent,
    points,
)
from pytest_robustness.report.summary import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest, ModelTest
    from pytest_robustness.analysis.predictions import Counts
    from pytest_robustness.analysis.test_result import TestResult
    from pytest_robustness.report.confusions import ClassConfusion
    from pytest_robustness.report.run_report import RunReport


class _Column(NamedTuple):
    """A sortable column of the table of classes: its value, how its number is rounded, and how it is written."""

    value: Callable[[ClassFinding], float]
    digits: str
    write: Callable[[float], str]


_COLUMNS = {
    "control": _Column(lambda found: found.result.control, ".4f", percent),
    "treated": _Column(lambda found: found.result.treated, ".4f", percent),
    "expected": _Column(lambda found: found.expected_change, ".4f", points),
    "change": _Column(lambda found: found.result.difference, ".4f", points),
    "p": _Column(lambda found: found.result.p_value, ".6g", p_value),
    "corrected": _Column(lambda found: found.result.p_adjusted, ".6g", p_value),
    "effect": _Column(lambda found: found.result.effect_size, ".4f", effect_size),
    "pImages": _Column(lambda found: found.images.p_adjusted if found.images else math.nan, ".6g", p_value),
}


def encode(report: RunReport) -> str:
    """Return the data of ``report`` as text that needs no escaping in HTML."""
    return packed(_payload(report))


def number(value: float, digits: str) -> float | str | None:
    """Return ``value`` as the scripts sort by it; JSON has neither NaN nor infinity.

    Parameters
    ----------
    digits
        A format specification that rounds.

    Examples
    --------
    >>> number(-89.35185185, ".4f"), number(1.4501234e-40, ".6g"), number(math.nan, ".4f"), number(-math.inf, ".4f")
    (-89.3519, 1.45012e-40, None, '-Infinity')
    """
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(format(value, digits))


def _payload(report: RunReport) -> dict[str, Any]:
    conditions = {condition: i for i, condition in enumerate(report.conditions)}
    models = {model: i for i, model in enumerate(report.models)}
    places = {
        cell: (models[cell.model], conditions.get(cell.condition, -1)) for cell in (*report.counts, *report.confusions)
    }
    sizes: dict[tuple[int, ...], int] = {}
    for counts in report.counts.values():
        sizes.setdefault(tuple(counts.n.tolist()), len(sizes))
    changes: dict[str, int] = {}
    corrected = any(_corrected(finding.result) for test in report.class_tests for finding in test.classes)
    return {
        "shadeSteps": SHADE_STEPS,
        "classes": report.classes,
        "models": [report.labels[model] for model in report.models],
        "conditions": [
            {"label": report.condition_label(c), "transform": c.transform, "severity": c.severity} for c in conditions
        ],
        "sizes": list(sizes),
        "percents": _percents(report.counts.values()),
        "cells": [
            _place(*places[cell]) | _cell(report, cell, changes) | {"size": sizes[tuple(counts.n.tolist())]}
            for cell, counts in report.counts.items()
        ],
        "changes": list(changes),
        "corrected": corrected,
        "classTests": [
            {"condition": conditions[test.condition], "models": [models[model] for model in test.models]}
            | _class_test(report, test, corrected)
            for test in report.class_tests
        ],
        "modelTests": [
            _place(models[test.model], conditions[test.condition]) | _model_test(report, test)
            for test in report.model_tests
        ],
        "errors": [
            _place(models[cell.model], conditions[cell.condition]) | {"error": text}
            for cell, text in report.errors.items()
            if cell.condition in conditions
        ],
        "confusions": [
            _place(*places[cell]) | {"classes": list(map(_class_confusion, classes))}
            for cell, classes in report.confusions.items()
        ],
    }


def _place(model: int, condition: int) -> dict[str, Any]:
    """Return where a cell is; the condition -1 is control."""
    return {"model": model, "condition": condition}


def _percents(found: Iterable[Counts]) -> dict[int, dict[int, str]]:
    """Return the accuracy for every count that occurs, by the number of images and the number of right answers."""
    pairs = {pair for counts in found for pair in zip(counts.n.tolist(), counts.correct.tolist(), strict=True)}
    texts: dict[int, dict[int, str]] = {}
    for n, right in sorted(pairs):
        texts.setdefault(n, {})[right] = percent(100 * right / n) if n else or_dash(math.nan, percent)
    return texts


def _cell(report: RunReport, cell: Cell, texts: dict[str, int]) -> dict[str, Any]:
    """Return a cell's right answers by class, its top-1 accuracy, and its changes against control.

    Parameters
    ----------
    texts
        The texts of changes by class, each with its place: new ones are added. A hundred thousand changes have a
        thousand texts.
    """
    counts = report.counts[cell]
    found: dict[str, Any] = {
        "correct": counts.correct.tolist(),
        "accuracy": percent(counts.top1),
    }
    top5 = report.top5_accuracy(cell)
    if top5 is not None:
        found["top5"] = percent(top5)
    change, top1 = report.change(cell), report.top1_change(cell)
    if change is None or top1 is None or cell.condition == CONTROL:
        return found
    by_class = _shares(counts) - _shares(report.counts[Cell(cell.model, CONTROL)])
    return found | {
        "change": number(top1, ".4f"),
        "changeText": points(top1),
        "judged": number(change, ".4f"),
        "changes": [texts.setdefault(or_dash(value, points), len(texts)) for value in by_class.tolist()],
    }


def _shares(counts: Counts) -> NDArray[np.float64]:
    """Return accuracies in percent by class, NaN where there is no image: float64 [C]."""
    with np.errstate(invalid="ignore"):
        return 100 * counts.correct / counts.n


def _class_test(report: RunReport, test: ClassTest, corrected: bool) -> dict[str, Any]:
    by_index = {finding.index: finding for finding in test.classes}
    found = [by_index.get(index) for index in range(len(report.classes))]
    # A class by its number, which is shorter; of several with one name, and for what is no class, by its name.
    once = Counter(report.classes)
    places = {name: index for index, name in enumerate(report.classes) if once[name] == 1}
    columns = {name: column for name, column in _COLUMNS.items() if corrected or name != "corrected"}
    beyond = {finding.index for finding in test.beyond_anywhere}
    return {
        "earlier": report.class_date_of(test),
        "kind": words_of([test]).kind,
        "mistakes": [
            [[places.get(answer, answer), *counts] for answer, *counts in found]
            for found in report.mistakes.get(Panel(test.condition, test.models), ())
        ],
        "sensitive": [None if one is None else int(one.result.rejects(test.alpha)) for one in found],
        "beyond": [None if one is None else int(one.index in beyond) for one in found],
        "blind": [one.index for one in test.classes if one.images and one.images.blind],
        "alone": [
            [fall.index, report.labels.get(fall.model, fall.model), points(fall.difference)] for fall in test.alone
        ],
        "numbers": {
            name: [None if one is None else number(column.value(one), column.digits) for one in found]
            for name, column in columns.items()
        },
        "texts": {
            name: [None if one is None else or_dash(column.value(one), column.write) for one in found]
            for name, column in columns.items()
        }
        | {
            "interval": [None if one is None else interval(one.result.ci_low, one.result.ci_high) for one in found],
            "pooled": [None if one is None else _pooled(one) for one in found],
        },
    }


def _pooled(found: ClassFinding) -> str:
    return DASH if found.images is None else interval(found.images.pooled.low, found.images.pooled.high)


def _corrected(result: TestResult) -> bool:
    return result.conclusive and result.p_adjusted != result.p_value


def _model_test(report: RunReport, test: ModelTest) -> dict[str, Any]:
    result, change = test.result, test.change
    return {
        "outcome": test.verdict.outcome.value,
        "reason": test.verdict.reason,
        "known": test.known,
        "earlier": report.date_of(test),
        "mark": mark(test, report.policy).sign,
        "mean": or_dash(change.difference, points),
        "level": f"{change.level:g}",
        "deciding": interval(change.low, change.high),
        "images": {"n": change.n, "lost": change.lost, "gained": change.gained, "p": or_dash(change.p_value, p_value)},
        "interval": interval(result.ci_low, result.ci_high),
        "p": or_dash(result.p_value, p_value),
        "corrected": or_dash(result.p_adjusted, p_value) if _corrected(result) else None,
        "effect": or_dash(result.effect_size, effect_size),
    }


def _class_confusion(found: ClassConfusion) -> dict[str, Any]:
    before, after = (100 * right / found.n for right in (found.right_control, found.right_treated))
    return {
        "index": found.index,
        "n": found.n,
        "right": [found.right_control, found.right_treated],
        "percents": [percent(before), percent(after)],
        "change": number(after - before, ".4f"),
        "changeText": points(after - before),
        "expected": number(found.expected.value, ".4f"),
        "expectedText": points(found.expected.value),
        "pooled": interval(found.expected.low, found.expected.high),
        "confusions": found.confusions,
    }
