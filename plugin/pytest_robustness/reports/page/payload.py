"""The data that the page's scripts read: integer columns as JSON, gzipped, in base64.

Accuracies and changes are hundredths of a point. A p-value keeps three digits, see `p_code`. ``scripts/data.js`` reads
all this back.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from typing import TYPE_CHECKING, Any

from pytest_robustness.records import CONTROL
from pytest_robustness.reports.page.text import SHADE_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_robustness.mistakes import FallenClass
    from pytest_robustness.records import ClassTest, ModelTest, TestResult
    from pytest_robustness.view import View

INFINITE = 2**31 - 1
"""Stands for an infinite effect size: groups that differ without any spread."""


def encode(view: View) -> str:
    """Return the data of ``view`` as text that needs no escaping in HTML."""
    text = json.dumps(_payload(view), separators=(",", ":"), allow_nan=False)
    # A fixed time keeps the page the same, byte for byte, for the same results.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def p_code(p: float) -> int | None:
    """Return a p-value as one integer: its three digits, plus 1000 for each power of ten below one; 0 for 0.

    Examples
    --------
    >>> p_code(0.0432), p_code(1.0), p_code(0.0), p_code(math.nan)
    (2432, 100, 0, None)
    """
    if math.isnan(p):
        return None
    if p == 0:
        return 0
    digits, _, exponent = f"{p:.2e}".partition("e")
    return round(float(digits) * 100) - 1000 * int(exponent)


def hundredths(value: float) -> int | None:
    """Return ``value`` in hundredths; ``None`` for NaN, plus or minus `INFINITE` for an infinite one.

    Examples
    --------
    >>> hundredths(12.345), hundredths(math.nan), hundredths(-math.inf)
    (1234, None, -2147483647)
    """
    if math.isnan(value):
        return None
    return round(100 * value) if math.isfinite(value) else int(math.copysign(INFINITE, value))


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
        "control": _column(results, lambda r: hundredths(r.control)),
        "change": _column(results, lambda r: hundredths(r.difference)),
        "low": _column(results, lambda r: hundredths(r.ci_low)),
        "high": _column(results, lambda r: hundredths(r.ci_high)),
        "effect": _column(results, lambda r: hundredths(r.effect_size)),
        "p": _column(results, lambda r: p_code(r.p_value)),
        "corrected": _column(results, lambda r: p_code(r.p_adjusted)) if corrected else None,
        "sensitive": _column(results, lambda r: int(r.rejects(test.alpha))),
    }


def _column(results: Iterable[TestResult | None], value: Callable[[TestResult], int | None]) -> list[int | None]:
    return [None if result is None else value(result) for result in results]


def _model_test(view: View, test: ModelTest, models: dict[str, int], condition: int) -> dict[str, Any]:
    result = test.result
    corrected = result.p_adjusted if result.conclusive and result.p_adjusted != result.p_value else math.nan
    return {
        "model": models[test.model],
        "condition": condition,
        "outcome": test.verdict.outcome.value,
        "word": view.model_word(test),
        "reason": test.verdict.reason,
        "low": hundredths(result.ci_low),
        "high": hundredths(result.ci_high),
        "effect": hundredths(result.effect_size),
        "p": p_code(result.p_value),
        "corrected": p_code(corrected),
    }


def _fallen(found: FallenClass) -> list[Any]:
    return [found.index, found.n, found.right_control, found.right_treated, found.mistakes]
