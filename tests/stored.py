"""Stores with known answers, for tests of what is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core import ClassLabel, EngineUsed, Predictions, Preprocess
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result, StoredSelection
from tests.identities import identified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Cell
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.store.store import Store

EAGER = EngineUsed("eager", "fp32")


def predictions(predicted: Sequence[int], *scores: np.ndarray) -> Predictions:
    """Return predictions; ``scores`` are the probabilities of the answer, of the true class and of the second output.

    Without them they are 1, 0 and 0.
    """
    answers, none = np.asarray(predicted, np.int32), np.zeros(len(predicted), np.float32)
    confidence, true, second = (*scores, *(np.ones_like(none), none, none)[len(scores) :])
    return Predictions(answers, confidence, true, second, np.zeros(len(answers), np.int32))


def put_images(store: Store, labels: np.ndarray, classes: Sequence[str | ClassLabel], name: str = "photos") -> None:
    """Write images number 0, 1, ... with their labels, under the fingerprint ``data``."""
    named = tuple(ClassLabel(entry, entry) if isinstance(entry, str) else entry for entry in classes)
    store.put_selection("data", StoredSelection(name, named, np.asarray(labels), identified(range(len(labels)))))


def put_answers(
    store: Store,
    log: RunLog,
    cell: Cell,
    predicted: Sequence[int],
    outputs: Sequence[int],
    labels: np.ndarray,
    *scores: np.ndarray,
    engine: EngineUsed = EAGER,
    facts: ModelFacts | None = None,
) -> None:
    """Write a cell's answers to the images of `put_images`, and log it as finished; -1 stands for an unread image."""
    facts = facts or ModelFacts("f" * 64, "name", tuple(int(output) for output in outputs), Preprocess())
    answers, key = np.asarray(predicted), f"{cell.model} {cell.condition}"
    read = np.flatnonzero(answers >= 0)
    targets = np.asarray(outputs)[np.asarray(labels)].astype(np.int32)
    block = Block(identified(range(len(answers)))[read], targets[read])
    store.put([Result(key, {}, engine, block, predictions(answers, *scores).at(read))])
    log.keys[cell] = key
    log.models[cell.model] = facts
    log.unreadable = sorted({*log.unreadable, *np.flatnonzero(answers < 0).tolist()})
