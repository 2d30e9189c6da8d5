"""What people review of a baseline: one JSON file with an accuracy a line, and another with a line for each class."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_robustness.analysis.answers import json_text
from pytest_robustness.analysis.answers.json_text import compose_protocol, get, parse_protocol, shown, texts, whole
from pytest_robustness.analysis.answers.recorded import cells
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, ClassLabel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers import RunProtocol
    from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
    from pytest_robustness.core import Condition

SCHEMA_VERSION = 3
ANSWERS_SHA256, CLASSES_SHA256 = "answers_sha256", "classes_sha256"

_DECIMALS = 2


class OtherClassesError(ValueError):
    """The file of the classes has other ones than the first file."""


class Document(NamedTuple):
    """What the two files hold besides the accuracies: all of a baseline but its images and answers.

    ``fingerprints`` and ``outcomes`` are those of each model; ``images`` is how many there are.
    """

    protocol: RunProtocol
    images: int
    classes: tuple[ClassLabel, ...]
    fingerprints: Mapping[str, str]
    outcomes: Mapping[str, Mapping[Condition, Outcome]]

    @property
    def conditions(self) -> dict[str, list[Condition]]:
        """The conditions of each model: all have the same."""
        return {name: list(self.protocol.transforms) for name in self.fingerprints}

    @property
    def cells(self) -> list[tuple[str, Condition]]:
        """Model and condition of every row of answers, in the order of the rows."""
        return cells(self.conditions)


class Content(NamedTuple):
    """The content of the two files: that with the accuracies over all images, and that of the classes."""

    overall: dict[str, Any]
    classes: dict[str, Any]


def compose(baseline: Baseline) -> Content:
    """Return all of ``baseline`` but the images and the answers themselves; the hash of the answers is missing."""
    protocol, labels = baseline.protocol, baseline.images.labels[baseline.readable]
    count = len(baseline.images.classes)
    images = np.bincount(labels, minlength=count).tolist()
    right = {name: _right(baseline, model) for name, model in baseline.models.items()}
    classes = {
        "schema_version": SCHEMA_VERSION,
        "classes": [
            {"key": label.key, "name": label.name, "images": n}
            for label, n in zip(baseline.images.classes, images, strict=True)
        ],
        "models": {name: _classes(found, labels, baseline.images.classes) for name, found in right.items()},
    }
    overall = {
        "schema_version": SCHEMA_VERSION,
        CLASSES_SHA256: json_text.digest(classes).hex(),
        "dataset": {
            "name": protocol.data,
            "images": len(baseline.images.labels),
            "unreadable": int(np.count_nonzero(~baseline.readable)),
            "classes": count,
        },
        "protocol": compose_protocol(protocol),
        "models": {name: _model(model, right[name]) for name, model in baseline.models.items()},
    }
    return Content(overall, classes)


def digest(overall: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of what the first file says, but for the hash of the answers in it."""
    return json_text.digest({key: value for key, value in overall.items() if key != ANSWERS_SHA256})


def classes_text(classes: Mapping[str, Any]) -> bytes:
    """Return the file of the classes: a line for each, and a line for each with a model's accuracies."""

    def lines(rows: list[dict[str, Any]], indent: str) -> str:
        return ",\n".join(f"{indent}{json.dumps(row, ensure_ascii=False, allow_nan=False)}" for row in rows)

    models = ",\n".join(
        f"  {json.dumps(name, ensure_ascii=False)}: [\n{lines(rows, '   ')}\n  ]"
        for name, rows in sorted(classes["models"].items())
    )
    text = f'{{\n "classes": [\n{lines(classes["classes"], "  ")}\n ],\n "models": {{\n{models}\n }},\n'
    return json_text.encoded(f'{text} "schema_version": {classes["schema_version"]}\n}}\n')


def parse(content: Content) -> Document:
    """Return what the two files hold.

    Raises
    ------
    KeyError, TypeError, ValueError
        When ``content`` is not what `compose` returns.
    """
    dataset, models = get(content.overall, "dataset", dict), get(content.overall, "models", dict)
    protocol = parse_protocol(get(content.overall, "protocol", dict), data=get(dataset, "name", str))
    rows = get(content.classes, "classes", list)
    if any(type(row) is not dict for row in rows):
        raise TypeError("'classes' holds more than objects")
    keys, names = (texts({key: [row[key] for row in rows]}, key) for key in ("key", "name"))
    if len(rows) != whole(dataset, "classes"):
        raise OtherClassesError(f"it has {len(rows)} classes, and not {shown(dataset['classes'])}")
    return Document(
        protocol=protocol,
        images=whole(dataset, "images"),
        classes=tuple(ClassLabel(key, name) for key, name in zip(keys, names, strict=True)),
        fingerprints={name: get(get(models, name, dict), "fingerprint", str) for name in models},
        outcomes={name: _outcomes(get(model, "conditions", dict), protocol) for name, model in models.items()},
    )


def first_difference(said: Any, true: Any, place: str = "") -> str:
    """Return where two documents of one form have another value first, in words; empty where they have the same."""
    if isinstance(said, dict) and isinstance(true, dict):
        pairs = [(f"{place}.{key}".lstrip("."), said[key], true[key]) for key in said.keys() & true.keys()]
    elif isinstance(said, list) and isinstance(true, list):
        pairs = [(f"{place}[{i}]", *pair) for i, pair in enumerate(zip(said, true, strict=False))]
    else:
        same = type(said) is type(true) and said == true
        return "" if same else f"{shown(place)[1:-1]} is {shown(said)}, and the answers give {shown(true)}"
    return next(
        filter(
            None, (first_difference(one, other, where) for where, one, other in sorted(pairs, key=lambda pair: pair[0]))
        ),
        "",
    )


def _right(baseline: Baseline, model: BaselineModel) -> dict[Condition, NDArray[np.bool_]]:
    """Return which of the readable images a model got right, by condition."""
    labels, readable = baseline.images.labels, baseline.readable
    return {condition: model.right(condition, labels)[readable] for condition in model.answers}


def _model(model: BaselineModel, right: Mapping[Condition, NDArray[np.bool_]]) -> dict[str, Any]:
    """Return what a diff should show of one model: accuracies in percent."""
    conditions = {}
    for condition, hits in right.items():
        correct = int(np.count_nonzero(hits))
        outcome = {} if condition == CONTROL else {"outcome": model.outcomes[condition].value}
        conditions[str(condition)] = {"correct": correct, "accuracy": _percent(correct, max(1, len(hits)))} | outcome
    return {"fingerprint": model.fingerprint, "conditions": conditions}


def _classes(
    right: Mapping[Condition, NDArray[np.bool_]], labels: NDArray[np.int64], classes: Sequence[ClassLabel]
) -> list[dict[str, Any]]:
    """Return a model's accuracies by class, under control first; a class without images has none."""
    images = np.bincount(labels, minlength=len(classes)).tolist()
    rows: list[dict[str, float]] = [{} for _ in images]
    for condition in sorted(right, key=lambda condition: (condition != CONTROL, str(condition))):
        hits = np.bincount(labels[right[condition]], minlength=len(classes)).tolist()
        for row, hit, n in zip(rows, hits, images, strict=True):
            if n:
                row[str(condition)] = _percent(hit, n)
    return [{"class": label.name, "accuracy": row} for label, row in zip(classes, rows, strict=True)]


def _percent(hits: int, n: int) -> float:
    return round(100 * hits / n, _DECIMALS)


def _outcomes(content: Mapping[str, Any], protocol: RunProtocol) -> dict[Condition, Outcome]:
    named = {str(condition): condition for condition in protocol.transforms}
    if content.keys() != named.keys():
        raise ValueError(f"a model has the conditions {shown(sorted(content))}, and not {shown(sorted(named))}")
    return {
        condition: Outcome(get(get(content, name, dict), "outcome", str))
        for name, condition in named.items()
        if condition != CONTROL
    }
