"""The change averaged over the models."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.statistics.crossed import crossed_interval
from pytest_robustness.core import CONTROL, Cell, Condition

VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)
IMAGES = 60


class Source:
    """Random answers of three models; one could not read two of the images."""

    class_names = ("cat", "dog")
    labels = np.arange(IMAGES) % 2

    def __init__(self):
        rng = np.random.default_rng(0)
        self.given = {}
        for model in ("ann", "bob", "cy"):
            readable = np.ones(IMAGES, np.bool_)
            readable[[4, 9]] = model != "bob"
            for condition, share in ((CONTROL, 0.9), (VFLIP, 0.6), (ZOOM, 0.8)):
                self.given[Cell(model, condition)] = Answers(readable, (rng.random(IMAGES) < share) & readable)

    def answers(self, cell):
        return self.given[cell]

    def counts(self, cell):
        return counts_of(self.given[cell], self.labels, 2)


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


def test_without_treated_cells_there_is_no_average():
    assert average_changes(Source(), [Cell("ann", CONTROL), Cell("bob", CONTROL)]) == {}
