"""The change averaged over the models."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.model_test import changes_of
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.statistics.crossed import crossed_interval
from pytest_robustness.core import CONTROL, Cell, Condition

VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)
IMAGES = 60


class Source:
    """Random answers of three models; one could not read two of the images. Every ``every``-th image is a dog."""

    class_names = ("cat", "dog", "none")

    def __init__(self, every=2):
        self.labels = (np.arange(IMAGES) % every == 0).astype(np.int64)
        rng = np.random.default_rng(0)
        self.given = {}
        for model in ("ann", "bob", "cy"):
            readable = np.ones(IMAGES, np.bool_)
            readable[[4, 9]] = model != "bob"
            for condition, share in ((CONTROL, 0.9), (VFLIP, 0.6), (ZOOM, 0.8)):
                self.given[Cell(model, condition)] = Answers(readable, (rng.random(IMAGES) < share) & readable)
        self.distinct = np.ones(IMAGES, np.bool_)

    def answers(self, cell):
        return self.given[cell]

    def labels_of(self, model):
        return self.labels

    def counts(self, cell):
        return counts_of(self.given[cell], self.labels, 3)


def test_the_average_is_over_all_models_and_the_images_that_all_could_read():
    source = Source()
    cells = [cell for cell in source.given if cell != Cell("cy", CONTROL)] + [Cell("dee", VFLIP)]
    found = average_changes(source, cells)
    assert set(found) == {VFLIP, ZOOM}
    images = [i for i in range(IMAGES) if i not in (4, 9)]
    for condition, estimate in found.items():
        # cy has no control, and dee no answers at all.
        changes = [
            [int(treated.correct[i]) - int(control.correct[i]) for i in images]
            for control, treated in ((source.given[Cell(m, c)] for c in (CONTROL, condition)) for m in ("ann", "bob"))
        ]
        assert estimate.value == pytest.approx(100 * np.mean(changes))
        # Of two models little is known; an accuracy changes by 100 points at most.
        expected = np.clip(crossed_interval(np.array(changes, np.int8)), -1, 1)
        assert estimate == pytest.approx(tuple(100 * expected))


@pytest.mark.parametrize("every", [2, 3, 7, 30])
def test_of_each_model_it_is_the_mean_over_the_classes_that_its_test_judges(every):
    source = Source(every)
    found = average_changes(source, source.given)
    images = [i for i in range(IMAGES) if i not in (4, 9)]
    for condition, estimate in found.items():
        by_class = [
            np.mean(
                [
                    float(source.given[Cell(model, condition)].correct[i])
                    - source.given[Cell(model, CONTROL)].correct[i]
                    for i in images
                    if source.labels[i] == label
                ]
            )
            for model in ("ann", "bob", "cy")
            for label in (0, 1)
        ]
        assert estimate.value == pytest.approx(100 * np.mean(by_class))
    # Where all models read all, each model's part is what its own test judges.
    for model in ("ann", "cy"):
        alone = average_changes(source, [Cell(model, CONTROL), Cell(model, ZOOM)])
        (judged,) = changes_of(source, [model], ZOOM, TestPolicy())
        assert alone[ZOOM].value == pytest.approx(judged.difference)


def test_copies_of_an_image_count_once():
    source, copied = Source(), Source()
    places = np.arange(IMAGES).repeat(np.arange(IMAGES) % 3 + 1)
    copied.labels, copied.distinct = source.labels[places], np.diff(places, prepend=-1) > 0
    copied.given = {cell: Answers(*(column[places] for column in given)) for cell, given in source.given.items()}
    assert average_changes(copied, copied.given) == average_changes(source, source.given)


def test_without_treated_cells_there_is_no_average():
    assert average_changes(Source(), [Cell("ann", CONTROL), Cell("bob", CONTROL)]) == {}


def test_models_with_the_same_labels_share_their_weights():
    models, images = [f"m{number:02}" for number in range(24)], 50_000
    source = Source()
    source.labels, source.distinct = np.arange(images) % 3, np.ones(images, np.bool_)
    right = Answers(source.distinct, source.labels > 0)
    source.given = {Cell(model, condition): right for model in models for condition in (CONTROL, VFLIP)}
    tracemalloc.start()
    try:
        average_changes(source, source.given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(models) * images * 8 / 2  # of a matrix of floats, of which each row would be one model's
