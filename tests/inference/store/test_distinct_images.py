"""Images are told apart as a dict of their bytes and targets tells them apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.inference.store.distinct_images import DistinctImages, among

# Few, and some that differ in the last byte alone, or end in zeros.
IDENTITIES = st.sampled_from([bytes(16), bytes(15) + b"\1", b"\1" + bytes(15), b"\xff" * 16, b"\x80" + bytes(15)])
PAIRS = st.lists(st.tuples(IDENTITIES, st.integers(-1, 2)), max_size=12)


def columns(pairs):
    identities = np.frombuffer(b"".join(identity for identity, _ in pairs), "V16")
    return identities, np.array([target for _, target in pairs], np.int64)


@given(run=PAIRS, asked=PAIRS, with_targets=st.booleans())
def test_images_are_numbered_as_they_first_occur(run, asked, with_targets):
    (identities, targets), (others, of_others) = columns(run), columns(asked)
    found = DistinctImages(identities, targets if with_targets else None)
    numbers: dict[object, int] = {}
    first = []
    for position, pair in enumerate(run):
        key = pair if with_targets else pair[0]
        if key not in numbers:
            first.append(position)
        numbers.setdefault(key, len(numbers))
    assert found.count == len(numbers)
    assert found.first.tolist() == first
    assert found.at_position.tolist() == [numbers[pair if with_targets else pair[0]] for pair in run]
    expected = [numbers.get(pair if with_targets else pair[0], -1) for pair in asked]
    assert found.numbers(others, of_others).tolist() == expected


@given(run=PAIRS, wanted=st.sets(IDENTITIES))
def test_images_are_among_others_where_their_bytes_are(run, wanted):
    found = among(columns(run)[0], np.frombuffer(b"".join(wanted), "V16"))
    assert found.tolist() == [identity in wanted for identity, _ in run]
