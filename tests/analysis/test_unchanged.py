"""A condition that left all figures as they were is found, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.unchanged import unchanged
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from tests.stored import put_answers, put_images

SHIFT = Condition("translate", 1)
LABELS = np.array([0, 0, 1, 1])
ANSWERS = [0, 1, 1, -1]
SURE = np.array([0.9, 0.6, 0.7, 0.8], np.float32)
OTHER = np.array([0.9, 0.6, 0.701, 0.8], np.float32)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "s.sqlite")
    yield opened
    opened.close()


def found(store, models, conditions=(CONTROL, SHIFT)):
    """Return what is found of models, each with answers and probabilities, under control and under the shift."""
    log = RunLog(dataset="data")
    put_images(store, LABELS, ["a", "b"])
    for model, cells in models.items():
        for condition, (answers, sure, *second) in zip((CONTROL, SHIFT), cells, strict=False):
            put_answers(store, log, Cell(model, condition), answers, [0, 1], LABELS, sure, 1 - sure, *second)
    return list(unchanged(StoredPredictions(lambda: store, log), list(models), conditions))


SAME = [(ANSWERS, SURE), (ANSWERS, SURE)]


def test_figures_that_are_the_same_of_all_images_are_found(store):
    (one,) = found(store, {"a": SAME, "b": SAME})
    assert one[:2] == (SHIFT, ("a", "b"))
    assert one.positions.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "models",
    [
        {"a": [(ANSWERS, SURE), ([0, 1, 0, -1], SURE)]},
        {"a": [(ANSWERS, SURE), (ANSWERS, OTHER)]},
        {"a": [(ANSWERS, SURE), (ANSWERS, SURE, 1 - OTHER)]},
        {"a": SAME, "b": [(ANSWERS, SURE), (ANSWERS, OTHER)]},
        {"a": [(ANSWERS, SURE)]},
        {},
    ],
    ids=["an answer", "a probability", "that of the second output", "of one model", "not computed", "no model"],
)
def test_whatever_shows_a_change_is_not_found(store, models):
    assert found(store, models) == []


def test_a_model_that_failed_under_the_condition_does_not_count(store):
    (one,) = found(store, {"a": SAME, "b": [(ANSWERS, SURE)]})
    assert one.models == ("a",)
