"""Images that are copies of others are known, and a run warns of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.copies import copies_warning, several_classes_warning
from pytest_robustness.inference.store.distinct_images import first_of_copies


def identities(numbers):
    """Return the hashes of images, by a number each."""
    pairs = (np.column_stack([numbers, numbers]) + 1).astype(np.uint64)
    return pairs.view("V16").reshape(-1)


@pytest.mark.parametrize(
    ("distinct", "images", "warned"),
    [(5, 400, True), (399, 400, False), (396, 400, False), (395, 400, True), (0, 0, False)],
)
def test_more_copies_than_one_in_a_hundred_are_a_warning(distinct, images, warned):
    found = copies_warning(np.arange(images) < distinct)
    assert bool(found) == warned
    if warned:
        assert found[0].startswith(f"{images} images, {distinct} distinct: ")


@given(st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 2)), max_size=40), st.booleans())
def test_of_the_copies_in_a_class_the_first_counts_as_in_a_plain_loop(pairs, labelled):
    numbers, labels = np.array(pairs, np.int64).reshape(-1, 2).T
    seen, expected = set(), []
    for number, label in pairs:
        key = (number, label if labelled else None)
        # Files that cannot be read, -1 here, are no copies of one another.
        expected.append(number < 0 or key not in seen)
        seen.add(key)
    assert first_of_copies(identities(numbers), labels if labelled else None).tolist() == expected


class Named:
    """Names images by their positions, and remembers which it was asked for."""

    def __init__(self, gone=False):
        self.gone, self.asked = gone, []

    def of(self, positions, images):
        self.asked += positions.tolist()
        return ["" if self.gone else f"{position}.png of {images}" for position in positions]


CLASSES = ("cat", "dog", "owl")


@given(st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 2)), max_size=40))
def test_images_in_several_classes_are_counted_as_a_plain_loop_counts(pairs):
    numbers = np.array([number for number, _ in pairs], np.int64)  # -1 could not be read
    labels = np.array([label for _, label in pairs], np.int64)
    classes_of = {}
    for number, label in pairs:
        if number >= 0:
            classes_of.setdefault(number, set()).add(label)
    several = [number for number, found in classes_of.items() if len(found) > 1]
    times = sum(number in several for number, _ in pairs)
    found = several_classes_warning(identities(numbers), labels, CLASSES, Named())
    assert len(found) == bool(several)
    if several:
        stand = "image stands" if len(several) == 1 else "images stand"
        assert found[0].startswith(f"{len(several)} {stand} in several classes, {times} times in all: at most one of ")
        assert found[0].count(";") == min(len(several), 4) - 1


def test_images_in_several_classes_are_named_with_their_classes():
    numbers, labels = np.array([5, 6, 7, 5, 5, 7, 7, 8, 8]), np.array([2, 0, 1, 0, 2, 1, 0, 0, 0])
    names = Named()
    text = (
        "2 images stand in several classes, 6 times in all: at most one of the labels of each is right, and what one "
        "copy loses the other may gain, so that a loss may not show. {}. Keep each image in the one class that it "
        "shows."
    )
    found = several_classes_warning(identities(numbers), labels, CLASSES, names)
    assert found == (text.format("0.png of 9 (owl), 3.png of 9 (cat); 2.png of 9 (dog), 6.png of 9 (cat)"),)
    assert names.asked == [0, 3, 2, 6]
    assert several_classes_warning(identities(numbers), labels, CLASSES, Named(gone=True)) == (
        text.format("owl, cat; dog, cat"),
    )
    unasked = Named()
    assert several_classes_warning(identities(numbers), np.zeros(9, np.int64), CLASSES, unasked) == ()
    assert unasked.asked == []


def test_no_more_than_three_are_named_and_one_is_one():
    many = several_classes_warning(identities(np.arange(2000) // 2), np.arange(2000) % 2, CLASSES, Named())[0]
    assert many.startswith("1,000 images stand in several classes, 2,000 times in all: ")
    assert many.endswith(
        "0.png of 2000 (cat), 1.png of 2000 (dog); 2.png of 2000 (cat), 3.png of 2000 (dog); 4.png of 2000 (cat), "
        "5.png of 2000 (dog); and 997 more. Keep each image in the one class that it shows."
    )
    one = several_classes_warning(identities(np.zeros(2, int)), np.arange(2), CLASSES, Named())[0]
    assert one.startswith("1 image stands in several classes, 2 times in all: at most one of its labels is right, ")
