"""The scores of a shard, added batch by batch, are laid into the rows of their images."""

from __future__ import annotations

import numpy as np
import torch

from pytest_robustness.core import CONTROL, Cell, Condition, Shard
from pytest_robustness.inference.scoring import score
from pytest_robustness.inference.shard_scores import ShardScores

A, B = Cell("net", CONTROL), Cell("net", Condition("vflip"))
SHARD = Shard(100, 106)


def scored(*rows: list[float]):
    return score(torch.tensor(rows, dtype=torch.float32), torch.zeros(len(rows), dtype=torch.int64))


def test_predictions_have_a_row_for_each_image_of_the_shard():
    scores = ShardScores(SHARD, [])
    scores.add(np.array([101, 102]), {A: scored([0, 1, 0], [2, 0, 0]), B: scored([0, 0, 1], [0, 0, 1])})
    scores.add(np.array([105]), {A: scored([0, 3, 0]), B: scored([5, 0, 0])})
    assert scores.predictions(A).predicted.tolist() == [-1, 1, 0, -1, -1, 1]
    assert scores.predictions(B).predicted.tolist() == [-1, 2, 2, -1, -1, 0]
    assert np.isnan(scores.predictions(A).confidence).tolist() == [True, False, False, True, True, False]
    assert scores.first_not_finite(A) is None


def test_an_image_with_a_logit_that_is_not_finite_is_named_by_its_position_in_the_selection():
    scores = ShardScores(SHARD, [])
    scores.add(np.array([100]), {A: scored([0, 1]), B: scored([0, 1])})
    scores.add(np.array([103, 104]), {A: scored([0, 1], [0, 1]), B: scored([0, 1], [float("nan"), 1])})
    assert (scores.first_not_finite(A), scores.first_not_finite(B)) == (None, 104)


def test_a_shard_without_a_readable_image_is_empty_and_skipped():
    scores = ShardScores(SHARD, [])
    assert scores.empty
    assert scores.first_not_finite(A) is None
    assert scores.predictions(A).predicted.tolist() == [-1] * 6
