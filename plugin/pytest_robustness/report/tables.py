"""Write the report for programs: ``results.json``, ``accuracy.csv`` and ``tests.csv``."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.verdicts import class_outcomes
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.files import publish
from pytest_robustness.report import summary
from pytest_robustness.report.csv_text import csv_text
from pytest_robustness.report.json_text import json_text
from pytest_robustness.report.study_text import row as study_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.analysis.test_result import AnyTestResult, ClassImages, ImageChange
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport

SCHEMA_VERSION = 2
ACCURACY_COLUMNS = ("model", "transform", "severity", "class_index", "class_name", "n", "correct", "top5")
_EXPECTED = ("expected_change", "expected_low", "expected_high")
_NUMBERS = (
    "test",
    "n",
    "control_accuracy",
    "accuracy",
    "difference",
    "ci_low",
    "ci_high",
    "effect_size",
    "statistic",
    "df",
    "p_value",
    "p_adjusted",
    "detectable_drop",
)
_IMAGES = (
    *("images_n", "images_lost", "images_gained", "images_difference", "images_ci_low", "images_ci_high"),
    *("images_level", "images_p_value", "images_p_adjusted", "images_to_decide", "blind"),
    *_EXPECTED,
)
_SUBJECT = ("kind", "model", "transform", "severity", "class_index", "class_name", "outcome")
_FOUND = ("reason", "margin", "sensitive", "beyond", "alone")
TESTS_COLUMNS = (*_SUBJECT, *_NUMBERS, *_FOUND, *_IMAGES, "control_top5", "top5", "earlier")

FILES = ("results.json", "accuracy.csv", "tests.csv")


def write(report: RunReport, folder: Path) -> list[Path]:
    """Write the three files into ``folder`` and return their paths; each appears whole or not at all.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    found = as_dict(report)
    accuracy, tests = csv_text(ACCURACY_COLUMNS, accuracy_rows(report)), csv_text(TESTS_COLUMNS, tests_rows(found))
    return publish(dict(zip(FILES, (json_text(found), accuracy, tests), strict=True)), folder)


def as_dict(report: RunReport) -> dict[str, Any]:
    """Return the content of ``results.json``; accuracies in percent, differences in points."""
    facts = report.provenance["models"]
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": summary.outcome(report.judged).value,
        "unfinished": [{"test": name, "ending": ending} for name, ending in report.unfinished.items()],
        "provenance": dict(report.provenance),
        "models": [_model(report, model) | facts.get(model, {}) for model in report.models],
        "classes": [{"class_index": i, "class_name": name} for i, name in enumerate(report.classes)],
        "conditions": [_condition(condition) for condition in report.conditions],
        "cells": [_cell_row(report, cell) for cell in report.counts],
        "model_tests": [
            _model_row(test, report.policy.margin)
            | _top5(report, test)
            | {"known": test.known, "earlier": report.date_of(test) or None}
            for test in report.model_tests
        ],
        "class_tests": [row for test in report.class_tests for row in _class_rows(report, test)],
        "class_summary": [
            _summary_row(test) | {"known": test.known, "earlier": report.class_date_of(test) or None}
            for test in report.class_tests
        ],
        "image_tests": [_model_row(test, report.policy.margin) for test in report.image_tests],
        "gate": [_gate_row(test) for test in report.gate_tests],
        "errors": [
            {"model": cell.model, **_condition(cell.condition), "error": text} for cell, text in report.errors.items()
        ],
        "skipped_images": list(report.skipped),
        "warnings": list(report.warnings),
        "data_notes": list(report.data_notes),
        "studies": {section.study.name: list(map(_study_row, section.findings)) for section in report.studies},
    }


def accuracy_rows(report: RunReport) -> Iterator[tuple[str, str, int | None, int, str, int, int, int | None]]:
    """Yield the rows of ``accuracy.csv``: for each cell, control too, and class, the images seen and those right.

    The last column counts those whose true class is among the five highest outputs; it is empty where a model has no
    more than five.
    """
    for cell, counts in report.counts.items():
        place = (cell.model, cell.condition.transform, cell.condition.severity)
        top5 = report.top5[cell].tolist() if cell in report.top5 else [None] * len(report.classes)
        by_class = zip(report.classes, counts.n.tolist(), counts.correct.tolist(), top5, strict=True)
        for index, (name, n, correct, in_five) in enumerate(by_class):
            yield (*place, index, name, n, correct, in_five)


def tests_rows(found: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Yield the rows of ``tests.csv``, one for each test of a model, a class or images, from what results.json has."""
    for kind in ("model", "class", "image"):
        for row in found[f"{kind}_tests"]:
            images = row["images"] or {}
            flat = {**{f"images_{name}": value for name, value in images.items()}, **images, **row, "kind": kind}
            yield [flat.get(name) for name in TESTS_COLUMNS]


def _model(report: RunReport, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "label": report.labels[model],
        "control_accuracy": report.control_accuracy(model),
        "control_top5": report.top5_accuracy(Cell(model, CONTROL)),
        "diagnosis": report.diagnoses.get(model),
    }


def _numbers(result: AnyTestResult) -> dict[str, Any]:
    names = {"control_accuracy": "control", "accuracy": "treated"}
    return {name: getattr(result, names.get(name, name)) for name in _NUMBERS}


def _condition(condition: Condition) -> dict[str, Any]:
    return {"transform": condition.transform, "severity": condition.severity}


def _cell_row(report: RunReport, cell: Cell) -> dict[str, Any]:
    counts = report.counts[cell]
    return {
        "model": cell.model,
        **_condition(cell.condition),
        "images": int(counts.n.sum()),
        "correct": int(counts.correct.sum()),
        "top5": int(report.top5[cell].sum()) if cell in report.top5 else None,
        "engines": [engine._asdict() for engine in report.engines.get(cell, ())],
        "earlier": report.earlier.get(cell),
    }


def _model_row(test: ModelTest | ImageTest, margin: float) -> dict[str, Any]:
    row = {
        "model": test.model,
        **_condition(test.condition),
        "outcome": test.verdict.outcome.value,
        "reason": test.verdict.reason,
    }
    return row | _numbers(test.result) | {"margin": margin, "images": _change(test.change)}


def _top5(report: RunReport, test: ModelTest) -> dict[str, float | None]:
    """Return the top-5 accuracies that a test compares, over all images: in control and under the transform."""
    return {
        "control_top5": report.top5_accuracy(Cell(test.model, CONTROL)),
        "top5": report.top5_accuracy(Cell(test.model, test.condition)),
    }


def _change(change: ImageChange) -> dict[str, Any]:
    """Return what the images show; ``images_to_decide`` is undefined where no number of images would decide."""
    return {
        "n": change.n,
        "lost": change.lost,
        "gained": change.gained,
        "difference": change.difference,
        "ci_low": change.low,
        "ci_high": change.high,
        "level": change.level,
        "p_value": change.p_value,
        "images_to_decide": change.needed if math.isfinite(change.needed) else math.nan,
    }


def _class_images(images: ClassImages | None) -> dict[str, Any] | None:
    """Return what the images of a class show, with the change to expect on others and its 90 % interval."""
    if images is None:
        return None
    return {
        "n": images.n,
        "right": images.right,
        "difference": images.difference,
        "p_value": images.p_value,
        "p_adjusted": images.p_adjusted,
        "blind": images.blind,
        **dict(zip(_EXPECTED, images.pooled, strict=True)),
    }


def _class_rows(report: RunReport, test: ClassTest) -> Iterator[dict[str, Any]]:
    """Yield a row for each class, with the outcome that it has by itself, and why."""
    sensitive, beyond = ({finding.index for finding in found} for found in (test.sensitive, test.beyond_anywhere))
    for finding, outcome in zip(test.classes, class_outcomes(test, report.policy), strict=True):
        yield {
            **_condition(test.condition),
            "class_index": finding.index,
            "class_name": finding.name,
            "outcome": outcome.value,
            "sensitive": finding.index in sensitive,
            "beyond": finding.index in beyond,
            "alone": "; ".join(fall.model for fall in test.alone if fall.index == finding.index) or None,
            **_numbers(finding.result),
            "margin": report.policy.class_margin,
            "images": _class_images(finding.images),
            "earlier": report.class_date_of(test) or None,
        }


def _summary_row(test: ClassTest) -> dict[str, Any]:
    return {
        **_condition(test.condition),
        "sensitive": len(test.sensitive),
        "insensitive": test.tested - len(test.sensitive),
        "inconclusive": len(test.classes) - test.tested + len(test.untested),
        "allowed": test.allowed,
        "beyond": len(test.beyond_anywhere),
        "alone": list(map(dataclasses.asdict, test.alone)),
        "unshown_alone": len(test.unshown_alone),
        "blind": test.blind,
        "outcome": test.verdict.outcome.value,
        "reason": test.verdict.reason,
        "models": list(test.models),
        "left_out": list(test.left_out),
    }


def _gate_row(test: GateTest) -> dict[str, Any]:
    result, beyond = test.result, test.beyond_control
    return {
        "model": test.model,
        "baseline_model": test.counterpart,
        **_condition(test.condition),
        "outcome": test.verdict.outcome.value,
        "reason": test.verdict.reason,
        "improved": test.improved,
        "undecided": test.undecided,
        "n": result.n,
        "images_only_in_baseline": None if test.shared is None else test.shared.only_before,
        "images_only_in_run": None if test.shared is None else test.shared.only_now,
        "baseline_accuracy": result.control,
        "accuracy": result.treated,
        "difference": result.difference,
        "ci_low": result.ci_low,
        "ci_high": result.ci_high,
        "lost": result.lost,
        "gained": result.gained,
        "p_value": result.p_value,
        "p_adjusted": result.p_adjusted,
        "p_worse": test.p_worse,
        "p_kept": test.p_kept,
        "images": _change(test.change),
        "detectable_drop": result.detectable_drop,
        "beyond_control": None if beyond is None else beyond.value,
        "beyond_control_ci_low": None if beyond is None else beyond.low,
        "beyond_control_ci_high": None if beyond is None else beyond.high,
        "answers": None if test.churn is None else test.churn._asdict(),
        "fallen_classes": list(map(_fallen, test.fallen)),
        "unshown_classes": list(map(_fallen, test.unshown)),
        "blind_classes": len(test.blind),
        "apart_classes": [one._asdict() for one in test.apart.classes] if test.apart else [],
        "apart_all_classes": test.apart.all_classes._asdict() if test.apart and test.apart.all_classes else None,
        "withheld": test.withheld or None,
        "broken_classes": list(map(_fallen, test.broken)),
        "lost_images": [image._asdict() for image in test.lost_images],
    }


def _study_row(finding: StudyFinding) -> dict[str, Any]:
    return study_row(finding) | {"items": [dict(item) for item in finding.items]}


def _fallen(found: ClassFinding) -> dict[str, Any]:
    change = {"difference": found.result.difference, "p_adjusted": found.result.p_adjusted}
    return {"class_index": found.index, "class_name": found.name, **change}
