"""Scoring agrees with a plain softmax, image by image."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from pytest_robustness.inference.scoring import collect, first_not_finite, score

LOGITS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
    elements=st.floats(-30, 30, width=32),
)


@given(logits=LOGITS, data=st.data())
@settings(deadline=None)
def test_an_image_gets_the_class_the_confidence_and_the_share_of_the_true_class_of_its_softmax(logits, data):
    images, outputs = logits.shape
    targets = data.draw(hnp.arrays(np.int64, images, elements=st.integers(0, outputs - 1)))
    found = score(torch.from_numpy(logits), torch.from_numpy(targets))
    shares = special.softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(shares[np.arange(images), found.predicted.numpy()], shares.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.confidence.numpy(), shares.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.true_probability.numpy(), shares[np.arange(images), targets], rtol=1e-4)
    assert found.finite.all()


@given(data=st.data())
@settings(deadline=None)
def test_batches_are_laid_into_their_rows_and_the_other_rows_stay_empty(data):
    images = data.draw(st.integers(1, 12))
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, images - 1)))), np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    logits = torch.randn(len(rows), 4, generator=torch.manual_seed(images))
    whole = score(logits, torch.zeros(len(rows), dtype=torch.int64))
    pieces = [score(part, torch.zeros(len(part), dtype=torch.int64)) for part in torch.tensor_split(logits, cuts)]
    found = collect(pieces, rows, images)
    np.testing.assert_array_equal(found.predicted[rows], whole.predicted)
    np.testing.assert_array_equal(found.confidence[rows], whole.confidence)
    np.testing.assert_array_equal(found.true_probability[rows], whole.true_probability)
    skipped = np.setdiff1d(np.arange(images), rows)
    assert (found.predicted[skipped] == -1).all()
    assert np.isnan(found.confidence[skipped]).all()
    assert np.isnan(found.true_probability[skipped]).all()


def test_a_shard_without_a_readable_image_is_all_skipped():
    found = collect([], np.empty(0, np.int64), 3)
    assert found.predicted.tolist() == [-1, -1, -1]


def test_the_first_image_with_a_logit_that_is_no_number_is_found_across_batches():
    targets = torch.zeros(2, dtype=torch.int64)
    good = score(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), targets)
    bad = score(torch.tensor([[0.0, 1.0], [float("inf"), 1.0]]), targets)
    worse = score(torch.tensor([[0.0, float("nan")], [0.0, -float("inf")]]), targets)
    assert first_not_finite([good, good]) is None
    assert first_not_finite([good, bad, worse]) == 3
    assert first_not_finite([worse]) == 0
