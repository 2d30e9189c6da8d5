"""A condition that left all figures as they were is warned of, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.unchanged import unchanged_warnings
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


def warned(store, models, conditions=(CONTROL, SHIFT)):
    """Return the warnings of models, each with its answers and probabilities under control and under the shift."""
    log = RunLog(dataset="data")
    put_images(store, LABELS, ["a", "b"])
    for model, cells in models.items():
        for condition, (answers, sure) in zip((CONTROL, SHIFT), cells, strict=False):
            put_answers(store, log, Cell(model, condition), answers, [0, 1], LABELS, sure, 1 - sure)
    return list(unchanged_warnings(StoredPredictions(lambda: store, log), list(models), conditions))


SAME = [(ANSWERS, SURE), (ANSWERS, SURE)]


def test_figures_that_are_the_same_of_all_images_are_a_warning(store):
    (text,) = warned(store, {"a": SAME, "b": SAME})
    assert text.startswith("translate-s1 changed no answer and no probability of a and b on 3 images: it changes no ")


@pytest.mark.parametrize(
    "models",
    [
        {"a": [(ANSWERS, SURE), ([0, 1, 0, -1], SURE)]},
        {"a": [(ANSWERS, SURE), (ANSWERS, OTHER)]},
        {"a": SAME, "b": [(ANSWERS, SURE), (ANSWERS, OTHER)]},
        {"a": [(ANSWERS, SURE)]},
        {"a": [(ANSWERS, np.ones(4, np.float32))] * 2},
        {},
    ],
    ids=["an answer", "a probability", "of one model", "not computed", "nothing but 1", "no model"],
)
def test_whatever_shows_a_change_or_could_show_none_is_no_warning(store, models):
    assert warned(store, models) == []


def test_a_model_that_failed_under_the_condition_does_not_count(store):
    (text,) = warned(store, {"a": SAME, "b": [(ANSWERS, SURE)]})
    assert "probability of a on 3 images" in text
