"""Runs as a report or a baseline keeps them, made from drawn answers without running a model."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.answers import ImageSet, RecordedAnswers, RecordedModel, RunProtocol, files
from pytest_robustness.core import CONTROL, ClassLabel, Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)
CONDITIONS = (CONTROL, VFLIP, ZOOM)


def identities(count: int, start: int = 0) -> np.ndarray:
    """Return hashes of so many images."""
    numbers = np.arange(start, start + count, dtype=np.uint64)
    return np.column_stack([numbers, numbers * 7919]).view("V16").reshape(-1)


def in_order(images: ImageSet) -> list[int]:
    """Return the order in which a file holds images: by class, then by identity."""
    keys = list(zip(images.labels.tolist(), map(bytes, images.identities), strict=True))
    return sorted(range(len(keys)), key=keys.__getitem__)


def recorded(
    models: Mapping[str, Mapping[Condition, np.ndarray]],
    labels: np.ndarray,
    classes: Sequence[str],
    *,
    outputs: Mapping[str, np.ndarray] | None = None,
    images: np.ndarray | None = None,
    rule: str = "all",
    **protocol: object,
) -> RecordedAnswers:
    """Return the answers of models by name and condition; the output of class ``c`` is ``c`` unless given."""
    conditions = {condition for answers in models.values() for condition in answers}
    facts = {"data": "folder:photos", "seed": 0, "pipeline": 2, "tests": {}}
    facts["transforms"] = {c: str(c) for c in sorted(conditions | {CONTROL}, key=str)}
    usual = np.arange(len(classes))
    return RecordedAnswers(
        RunProtocol(**(facts | protocol), outputs=rule),
        ImageSet(
            identities(len(labels)) if images is None else images,
            np.asarray(labels, np.int64),
            tuple(ClassLabel(name, name) for name in classes),
        ),
        {
            name: RecordedModel(f"hash of {name}", (outputs or {}).get(name, usual), dict(answers))
            for name, answers in models.items()
        },
    )


def put_report(found: RecordedAnswers, folder: Path, *, answers: bool = True, table: bool = True) -> Path:
    """Write what a report keeps of a run: ``results.json``, and if asked for answers and the table of accuracies."""
    folder.mkdir(parents=True, exist_ok=True)
    labels, names = found.images.labels, [label.name for label in found.images.classes]
    cells, rows = [], []
    for name, model in found.models.items():
        for condition, given in model.answers.items():
            read, right = given >= 0, model.right(condition, labels)
            place = {"model": name, "transform": condition.transform, "severity": condition.severity}
            cells.append({**place, "images": int(read.sum()), "correct": int(right.sum())})
            for index, label in enumerate(names):
                inside = labels == index
                rows.append([*place.values(), index, label, int((read & inside).sum()), int((right & inside).sum())])
    protocol = found.protocol
    content = {
        "schema_version": 2,
        "provenance": {
            "options": {"seed": protocol.seed, "outputs": protocol.outputs},
            "dataset": {"name": protocol.data, "fingerprint": "f" * 64, "images": len(labels), "labels": "data"},
            "pipeline": protocol.pipeline,
            "transform_keys": {str(condition): key for condition, key in protocol.transforms.items()},
        },
        "models": [{"model": name, "fingerprint": model.fingerprint} for name, model in found.models.items()],
        "classes": [{"class_index": index, "class_name": name} for index, name in enumerate(names)],
        "cells": cells,
    }
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    if answers:
        (folder / "answers.npz").write_bytes(files.pack(found))
    if table:
        with (folder / "accuracy.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["model", "transform", "severity", "class_index", "class_name", "n", "correct"])
            writer.writerows(["" if value is None else value for value in row] for row in rows)
    return folder


def drawn(rng: np.random.Generator, labels: np.ndarray, classes: int, right: float) -> np.ndarray:
    """Draw answers of which a share is right."""
    wrong = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(rng.random(len(labels)) < right, labels, wrong).astype(np.int32)


def planted(
    rng: np.random.Generator, answers: np.ndarray, labels: np.ndarray, classes: int, share: float
) -> np.ndarray:
    """Return answers of which a share of all images, wrong ones, is wrong in another way."""
    found = answers.copy()
    chosen = rng.choice(np.flatnonzero(answers != labels), round(share * len(labels)), replace=False)
    for i in chosen:
        found[i] = rng.choice([c for c in range(classes) if c not in (answers[i], labels[i])])
    return found
