"""Logits of two ways to run a model are compared, those of outputs that are ruled out too."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_robustness.inference.logits import distance

OUT, NAN, INF = -math.inf, math.nan, math.inf


@pytest.mark.parametrize(
    ("logits", "expected", "away"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([3.0, 5.0], [3.0, 4.0], 0.2),
        ([3.0, OUT, 4.0], [3.0, OUT, 4.0], 0.0),
        ([3.0, OUT, 5.0], [3.0, OUT, 4.0], 0.2),
        ([OUT, OUT], [OUT, OUT], 0.0),
        ([3.0, OUT, 4.0], [3.0, -20.0, 4.0], None),
        ([3.0, -20.0, 4.0], [3.0, OUT, 4.0], None),
        ([3.0, NAN], [3.0, 4.0], None),
        ([3.0, NAN], [3.0, NAN], None),
        ([3.0, INF], [3.0, INF], None),
        ([3.0, OUT], [3.0, INF], None),
        ([3.0, OUT], [3.0, NAN], None),
    ],
    ids=str,
)
def test_what_both_rule_out_counts_for_nothing_and_all_else_that_is_not_finite_is_far(logits, expected, away):
    found = distance(torch.tensor([logits]), torch.tensor([expected]))
    if away is None:
        assert not math.isfinite(found)
    else:
        assert found == pytest.approx(away)
