"""The data that the page's scripts read: columns of numbers as JSON, gzipped, in base64.

Accuracies and changes keep four decimals, p-values six digits: see `number`. ``scripts/data.js`` reads all this back.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from typing import TYPE_CHECKING, Any

from pytest_robustness.core import CONTROL
from pytest_robustness.report.number_text import SHADE_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.analysis.test_result import TestResult
    from pytest_robustness.report.confusions import FallenClass
    from pytest_robustness.report.run_report import View

    _Number = float | str | None

_DIGITS = 17
"""As many tell every float from every other."""


def encode(view: View) -> str:
    """Return the data of ``view`` as text that needs no escaping in HTML."""
    text = json.dumps(_payload(view), separators=(",", ":"), allow_nan=False)
    # A fixed time keeps the page the same, byte for byte, for the same results.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def points(value: float) -> _Number:
    """Return an accuracy or a change, of which the page shows one decimal.

    Examples
    --------
    >>> points(-89.35185185), points(math.nan)
    (-89.3519, None)
    """
    return number(value, "f", kept=4, shown=1)


def effect(value: float) -> _Number:
    """Return an effect size, of which the page shows two decimals.

    Examples
    --------
    >>> effect(1.48148148), effect(-math.inf)
    (1.4815, '-Infinity')
    """
    return number(value, "f", kept=4, shown=2)


def p_value(value: float) -> _Number:
    """Return a p-value, of which the page shows two digits.

    Examples
    --------
    >>> p_value(1.4501234e-40)
    1.45012e-40
    """
    return number(value, "g", kept=6, shown=2)


def number(value: float, kind: str, kept: int, shown: int) -> _Number:
    """Return ``value`` to ``kept`` digits, or to as many more as it takes to show the same as ``value`` itself.

    Parameters
    ----------
    value
        ``None`` stands for NaN, and what JavaScript calls it for an infinite one: JSON has neither.
    kind
        ``f`` counts decimals, ``g`` significant digits.
    kept, shown
        How many digits the data have at least, and how many the page shows.

    Examples
    --------
    >>> number(6.123456, "f", kept=4, shown=1), number(6.25000001, "f", kept=4, shown=1)
    (6.1235, 6.25000001)
    """
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    written = f"{value:.{shown}{kind}}"
    for digits in range(kept, _DIGITS):
        rounded = float(f"{value:.{digits}{kind}}")
        if f"{rounded:.{shown}{kind}}" == written:
            return rounded
    return value


def _payload(view: View) -> dict[str, Any]:
    conditions = {condition: i for i, condition in enumerate(view.conditions)}
    models = {model: i for i, model in enumerate(view.models)}
    sizes: dict[tuple[int, ...], int] = {}
    cells = []
    for cell, counts in view.counts.items():
        condition = -1 if cell.condition == CONTROL else conditions[cell.condition]
        size = sizes.setdefault(tuple(counts.n.tolist()), len(sizes))
        cells.append([models[cell.model], condition, size, counts.correct.tolist()])
    return {
        "shadeSteps": SHADE_STEPS,
        "classes": view.classes,
        "models": [view.labels[model] for model in view.models],
        "conditions": [
            {"label": view.condition_label(c), "transform": c.transform, "severity": c.severity} for c in conditions
        ],
        "sizes": list(sizes),
        "cells": cells,
        "classTests": [_class_test(view, test, models, conditions[test.condition]) for test in view.class_tests],
        "modelTests": [_model_test(view, test, models, conditions[test.condition]) for test in view.model_tests],
        "errors": [
            [models[cell.model], conditions[cell.condition], text]
            for cell, text in view.errors.items()
            if cell.condition in conditions
        ],
        "fallen": [
            [models[cell.model], conditions[cell.condition], [_fallen(found) for found in classes]]
            for cell, classes in view.fallen.items()
        ],
    }


def _class_test(view: View, test: ClassTest, models: dict[str, int], condition: int) -> dict[str, Any]:
    found = {finding.index: finding.result for finding in test.classes}
    results = [found.get(index) for index in range(len(view.classes))]
    corrected = any(r is not None and r.p_adjusted != r.p_value and r.conclusive for r in results)
    return {
        "condition": condition,
        "models": [models[model] for model in test.models],
        "control": _column(results, lambda r: points(r.control)),
        "treated": _column(results, lambda r: points(r.treated)),
        "change": _column(results, lambda r: points(r.difference)),
        "low": _column(results, lambda r: points(r.ci_low)),
        "high": _column(results, lambda r: points(r.ci_high)),
        "effect": _column(results, lambda r: effect(r.effect_size)),
        "p": _column(results, lambda r: p_value(r.p_value)),
        "corrected": _column(results, lambda r: p_value(r.p_adjusted)) if corrected else None,
        "sensitive": _column(results, lambda r: int(r.rejects(test.alpha))),
    }


def _column(results: Iterable[TestResult | None], value: Callable[[TestResult], _Number]) -> list[_Number]:
    return [None if result is None else value(result) for result in results]


def _model_test(view: View, test: ModelTest, models: dict[str, int], condition: int) -> dict[str, Any]:
    result = test.result
    corrected = result.p_adjusted if result.conclusive and result.p_adjusted != result.p_value else math.nan
    return {
        "model": models[test.model],
        "condition": condition,
        "outcome": test.verdict.outcome.value,
        "word": view.question.answer(test),
        "reason": test.verdict.reason,
        "mean": points(result.difference),
        "low": points(result.ci_low),
        "high": points(result.ci_high),
        "effect": effect(result.effect_size),
        "p": p_value(result.p_value),
        "corrected": p_value(corrected),
    }


def _fallen(found: FallenClass) -> list[Any]:
    return [found.index, found.n, found.right_control, found.right_treated, found.mistakes]
