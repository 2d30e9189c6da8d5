"""Images of a baseline and of a run are matched as a loop over them would."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.baseline import ImageSet, Overlap
from pytest_robustness.core import ClassLabel


def images(pairs, classes):
    """Return images from pairs of a name, empty where a file cannot be read, and a class's key."""
    names = [hashlib.sha256(name.encode()).digest()[:16] if name else bytes(16) for name, _ in pairs]
    labels = np.array([classes.index(key) for _, key in pairs], np.int64)
    return ImageSet(np.array(names, "V16"), labels, tuple(ClassLabel(key, key.title()) for key in classes))


def matched(before, now):
    """Match by a loop: each image with the first that is alike and free."""
    free, found = list(enumerate(before)), []
    for pair in now:
        place = next((entry for entry in free if entry[1] == pair), None)
        found.append(-1 if place is None else place[0])
        if place is not None:
            free.remove(place)
    return found


pairs = st.lists(st.tuples(st.sampled_from("pqrst"), st.sampled_from(["cat", "dog", "owl"])), max_size=12)


@given(pairs, pairs, st.permutations(["cat", "dog", "owl"]))
def test_images_of_the_same_content_and_class_are_matched_one_to_one_in_order(before, now, order):
    overlap = Overlap(images(before, ["cat", "dog", "owl"]), images(now, list(order)))
    expected = matched(before, now)
    assert overlap.positions.tolist() == expected
    shared = len(expected) - expected.count(-1)
    assert (overlap.both, overlap.only_before, overlap.only_now) == (shared, len(before) - shared, len(now) - shared)
    assert overlap.renamed == {}


@given(pairs, pairs)
def test_of_copies_the_first_that_the_baseline_has_is_compared(before, now):
    overlap = Overlap(images(before, ["cat", "dog", "owl"]), images(now, ["cat", "dog", "owl"]))
    seen, expected = set(), []
    for pair, place in zip(now, matched(before, now), strict=True):
        expected.append(place >= 0 and pair not in seen)
        seen.add(pair)
    assert overlap.compared.tolist() == expected
    assert overlap.copies == overlap.both - sum(expected)
    assert ("distinct: the comparison counts copies once" in overlap.text()) == (overlap.copies > 0)


def test_files_that_cannot_be_read_are_no_copies_of_one_another():
    files = [("a", "cat"), ("", "cat"), ("", "cat"), ("", "cat"), ("a", "cat")]
    overlap = Overlap(images(files, ["cat"]), images(files, ["cat"]))
    assert overlap.compared.tolist() == [True, True, True, True, False]
    assert [one.tolist() for one in overlap.distinct] == [[True, True, True, True, False]] * 2
    assert overlap.copies == 1


BEFORE = [("a", "cat"), ("b", "cat"), ("c", "dog"), ("d", "dog"), ("e", "owl")]


def test_the_same_images_need_no_sentence_wherever_they_lie():
    first, second = images(BEFORE, ["cat", "dog", "owl"]), images(BEFORE[::-1], ["owl", "dog", "cat"])
    overlap = Overlap(first, second)
    assert overlap.positions.tolist() == [4, 3, 2, 1, 0]
    assert overlap.text() == ""


def test_a_class_of_another_display_name_is_the_same_class():
    now = images(BEFORE, ["cat", "dog", "owl"])
    now = now._replace(classes=tuple(ClassLabel(label.key, "Another") for label in now.classes))
    assert Overlap(images(BEFORE, ["cat", "dog", "owl"]), now).text() == ""


def test_a_class_whose_folder_was_renamed_is_known_by_its_images():
    now = [(name, {"dog": "hound"}.get(key, key)) for name, key in BEFORE] + [("f", "hound"), ("g", "cat")]
    overlap = Overlap(images(BEFORE, ["cat", "dog", "owl"]), images(now, ["cat", "hound", "owl"]))
    assert overlap.positions.tolist() == [0, 1, 2, 3, 4, -1, -1]
    assert overlap.text() == (
        "Compared with the baseline on the 5 images that both have; 0 only in the baseline, 2 only in this run "
        "(5 in the baseline, 7 in this run). Classes that were renamed since the baseline, as their images show: "
        "dog is hound."
    )


@pytest.mark.parametrize(
    "now",
    [
        [("c", "hound"), ("d", "wolf")],  # split
        [("c", "hound"), ("d", "hound"), ("e", "hound")],  # joined with another
        [("c", "hound"), ("d", "cat")],  # in part a class that both have
    ],
)
def test_a_class_that_was_split_or_joined_is_another_class(now):
    overlap = Overlap(images(BEFORE, ["cat", "dog", "owl"]), images(now, ["cat", "hound", "wolf"]))
    assert overlap.both == 0
    assert overlap.renamed == {}


def test_a_relabelled_image_is_not_compared():
    now = [("a", "dog"), *BEFORE[1:]]
    overlap = Overlap(images(BEFORE, ["cat", "dog", "owl"]), images(now, ["cat", "dog", "owl"]))
    assert overlap.positions.tolist() == [-1, 1, 2, 3, 4]


def test_classes_that_share_a_key_are_told_apart_by_their_order():
    first = images(BEFORE, ["cat", "dog", "owl"])
    crane = (ClassLabel("crane", "crane"), ClassLabel("crane", "crane"), ClassLabel("owl", "owl"))
    twice = first._replace(classes=crane)
    assert Overlap(twice, twice).positions.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_million_images_are_matched_within_seconds():
    rng = np.random.default_rng(0)
    classes = tuple(ClassLabel(str(i), str(i)) for i in range(1000))
    identities = np.frombuffer(rng.bytes(16 * 1_000_000), "V16")
    labels = rng.integers(0, 1000, 1_000_000)
    order = rng.permutation(1_000_000)[:900_000]
    before, now = ImageSet(identities, labels, classes), ImageSet(identities[order], labels[order], classes)
    assert np.array_equal(Overlap(before, now).positions, order)
