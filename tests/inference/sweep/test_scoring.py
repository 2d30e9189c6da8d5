"""Scoring agrees with a plain softmax, image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from pytest_robustness.inference.sweep import scoring
from pytest_robustness.inference.sweep.scoring import Fetched, Scores, joined, score

# Whole numbers besides, so that logits are often equal.
LOGITS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
    elements=st.floats(-30, 30, width=32) | st.integers(-2, 2).map(float) | st.just(-np.inf),
).filter(lambda logits: np.isfinite(logits).any(axis=1).all())

# A CPU scores by another way than other devices, whose operators a CPU has as well.
ways = pytest.mark.parametrize("way", [scoring._score_on_cpu, scoring._score_on_device])


@pytest.fixture(autouse=True, scope="module")
def few_at_a_time():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_LOGITS_AT_A_TIME", 12)
        yield


@ways
@given(logits=LOGITS, data=st.data())
@settings(deadline=None)
def test_the_scores_of_an_image_are_those_of_its_softmax(way, logits, data):
    images, outputs = logits.shape
    targets = data.draw(hnp.arrays(np.int64, images, elements=st.integers(0, outputs - 1)))
    found = way(torch.from_numpy(logits), torch.from_numpy(targets))
    shares = special.softmax(logits.astype(np.float64), axis=1)
    second = np.sort(shares, axis=1)[:, -2] if outputs > 1 else np.zeros(images)
    np.testing.assert_allclose(shares[np.arange(images), found.predicted.numpy()], shares.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.confidence.numpy(), shares.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.runner_up.numpy(), second, rtol=1e-4)
    np.testing.assert_allclose(found.true_probability.numpy(), shares[np.arange(images), targets], rtol=1e-4)
    assert found.finite.all()


@ways
@given(logits=LOGITS, data=st.data())
@settings(deadline=None)
def test_the_rank_of_a_class_is_its_place_in_a_stable_sort(way, logits, data):
    images, outputs = logits.shape
    targets = data.draw(hnp.arrays(np.int64, images, elements=st.integers(0, outputs - 1)))
    found = way(torch.from_numpy(logits), torch.from_numpy(targets))
    order = np.argsort(-logits, axis=1, kind="stable")
    assert found.rank.tolist() == [row.tolist().index(target) for row, target in zip(order, targets, strict=True)]
    np.testing.assert_array_equal(found.rank.numpy() == 0, found.predicted.numpy() == targets)


@ways
def test_an_image_without_a_label_has_no_true_probability_and_no_rank(way):
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    found = way(logits, torch.tensor([-1, 2]))
    assert found.true_probability[0] == 0
    assert found.true_probability[1] == pytest.approx(special.softmax([5.0, 3.0, 1.0])[2], rel=1e-5)
    assert (found.predicted.tolist(), found.rank.tolist()) == ([1, 0], [0, 2])


@ways
@given(
    rows=st.lists(
        st.lists(st.sampled_from([-np.inf, np.inf, np.nan, -3e38, -1.0, 0.0, 2.0, 3e38]), min_size=3, max_size=3),
        min_size=1,
        max_size=9,
    )
)
def test_an_image_has_an_answer_where_a_logit_is_finite_and_the_others_are_so_or_minus_infinity(way, rows):
    found = way(torch.tensor(rows), torch.zeros(len(rows), dtype=torch.int64))
    assert found.finite.tolist() == [
        any(map(math.isfinite, row)) and all(math.isfinite(value) or value == -math.inf for value in row)
        for row in rows
    ]


@ways
@pytest.mark.parametrize("value", [[float("nan")], [float("inf")], [-float("inf")] * 3])
@pytest.mark.parametrize("place", range(3))
def test_an_image_without_an_answer_leaves_the_others_as_they_are(way, value, place):
    logits = torch.tensor([[0.0, 3.0, 1.0]]).repeat(5, 1)
    logits[2] = torch.tensor([*value, 3.0, 1.0, 0.0][:3]).roll(place)
    found = way(logits, torch.tensor([0, 1, 1, 2, -1]))
    assert found.finite.tolist() == [True, True, False, True, True]
    others = way(logits[[0, 1, 3, 4]], torch.tensor([0, 1, 2, -1]))
    for column, expected in zip(found, others, strict=True):
        assert torch.equal(column[[0, 1, 3, 4]], expected)


@ways
def test_numpy_may_be_set_to_raise_errors(way):
    logits = torch.tensor([[0.0, -200.0, 3.0], [-3e38, 3e38, 0.0], [float("nan"), 0.0, 1.0], [float("inf"), 0.0, 1.0]])
    targets = torch.tensor([0, 1, 2, -1])
    expected = way(logits, targets)
    with np.errstate(all="raise"):
        found = way(logits, targets)
    for column, wanted in zip(found, expected, strict=True):
        assert torch.equal(column.nan_to_num(-1), wanted.nan_to_num(-1))


@ways
def test_a_model_may_have_more_outputs_than_a_narrow_sum_counts(way):
    logits = torch.arange(70_000.0)[None]
    assert way(logits, torch.tensor([1])).rank.tolist() == [69_998]


@ways
def test_scores_of_one_mode_of_torch_do_not_hinder_those_of_another(way):
    logits, targets = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, -1])
    with torch.inference_mode():
        inside = way(logits.clone(), targets.clone())
    for column, expected in zip(way(logits, targets), inside, strict=True):
        assert torch.equal(column, expected)


def test_batches_are_joined_in_their_order():
    logits = torch.randn(7, 4, generator=torch.manual_seed(0))
    logits[5, 2] = float("nan")
    targets = torch.arange(7) % 4
    whole, (found, finite) = (
        score(logits, targets),
        joined([score(logits[part], targets[part]) for part in (slice(0, 3), slice(3, 4), slice(4, 7))]),
    )
    for name in ("predicted", "confidence", "true_probability", "runner_up", "rank"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name).numpy())
    assert finite.tolist() == [True] * 5 + [False, True]
    assert [found.predicted.dtype, found.confidence.dtype, found.rank.dtype] == [np.int32, np.float32, np.int32]


def test_scores_of_many_jobs_are_fetched_as_they_would_be_one_by_one():
    generator = torch.Generator().manual_seed(0)

    def scored(size: int, outputs: int) -> Scores:
        logits = torch.randn(size, outputs, generator=generator)
        logits[0, 0] = float("nan") if outputs == 7 else 0.0
        return score(logits, torch.randint(-1, outputs, (size,), generator=generator))

    jobs = [[scored(5, 3), scored(1, 3)], [scored(1, 1)], [scored(4, 7), scored(2, 7), scored(3, 7)]]
    for batches, (predictions, finite) in zip(jobs, Fetched(jobs).results(), strict=True):
        for name, found in [*predictions._asdict().items(), ("finite", finite)]:
            expected = np.concatenate([getattr(scores, name).numpy() for scores in batches])
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
    assert Fetched([]).results() == []
