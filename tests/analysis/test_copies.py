"""A run warns of images that are copies of others."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.copies import copies_warning


def identities(numbers):
    """Return the hashes of images, by a number each."""
    pairs = (np.column_stack([numbers, numbers]) + 1).astype(np.uint64)
    return pairs.view("V16").reshape(-1)


@pytest.mark.parametrize(
    ("distinct", "images", "warned"),
    [(5, 400, True), (399, 400, False), (396, 400, False), (395, 400, True), (0, 0, False)],
)
def test_more_copies_than_one_in_a_hundred_are_a_warning(distinct, images, warned):
    numbers = np.minimum(np.arange(images), max(distinct - 1, 0))
    found = copies_warning(identities(numbers), np.zeros(images, np.int64))
    assert bool(found) == warned
    if warned:
        assert found[0].startswith(f"{images} images, {distinct} distinct: ")


def test_files_that_cannot_be_read_are_no_copies_of_one_another():
    known = identities(np.arange(50))
    unreadable = np.zeros(50, "V16")
    labels = np.zeros(100, np.int64)
    assert copies_warning(np.concatenate([known, unreadable]), labels) == ()
    assert copies_warning(np.concatenate([known, known]), labels)[0].startswith("100 images, 50 distinct: ")


def test_an_image_under_two_labels_is_no_copy():
    numbers = np.arange(100) // 2
    assert copies_warning(identities(numbers), np.arange(100) % 2) == ()
    assert copies_warning(identities(numbers), None)[0].startswith("100 images, 50 distinct: ")
