"""Braces are expanded as the library braceexpand does, which WebDataset uses."""

from __future__ import annotations

import braceexpand
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core.errors import OptionError
from pytest_robustness.data.files.braces import expanded

WORDS = st.text("ab0-./_", max_size=4)
RANGES = st.tuples(
    st.integers(-12, 12), st.integers(-12, 12), st.sampled_from(["", "..2", "..5"]), st.integers(0, 4)
).map(lambda drawn: f"{{{drawn[0]:0{drawn[3]}d}..{drawn[1]}{drawn[2]}}}")
LETTERS = st.tuples(st.sampled_from("aAzZmé1"), st.sampled_from("bBzZm"), st.sampled_from(["", "..3", "..-2"])).map(
    lambda drawn: f"{{{drawn[0]}..{drawn[1]}{drawn[2]}}}"
)
PATTERNS = st.recursive(
    WORDS | RANGES | LETTERS,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda items: "{" + ",".join(items) + "}")
        | st.tuples(inner, inner).map("".join)
        | inner.map(lambda one: f"{{{one}}}")
    ),
    max_leaves=5,
)


@given(PATTERNS)
def test_braces_are_expanded_as_the_library_does(pattern):
    assert expanded(pattern) == list(braceexpand.braceexpand(pattern, escape=False))


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("shard-{000000..000002}.tar", ["shard-000000.tar", "shard-000001.tar", "shard-000002.tar"]),
        ("{9..11}", ["9", "10", "11"]),
        ("{2..0}", ["2", "1", "0"]),
        ("shard-{a..c}.tar", ["shard-a.tar", "shard-b.tar", "shard-c.tar"]),
        ("{val,test}-{0..1}", ["val-0", "val-1", "test-0", "test-1"]),
        ("a{,b}", ["a", "ab"]),
        ("s3://bucket/{a,b{1,2}}/x", ["s3://bucket/a/x", "s3://bucket/b1/x", "s3://bucket/b2/x"]),
        ("photos", ["photos"]),
        ("", [""]),
    ],
)
def test_braces_stand_for_texts(pattern, texts):
    assert expanded(pattern) == texts


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a{1..3", "'a{1..3' has an opening brace without a closing one. Valid: shard-{000..012}.tar."),
        ("a}b", "'a}b' has a closing brace without an opening one. Valid: shard-{000..012}.tar."),
        ("{0..9999999}", "{0..9999999} stands for more than 1,000,000 files. Name them by a folder."),
        (
            "{0..1999}{0..1999}",
            "'{0..1999}{0..1999}' stands for more than 1,000,000 files. Name them by a folder or by *.tar.",
        ),
    ],
)
def test_braces_that_stand_for_nothing_are_refused(pattern, message):
    with pytest.raises(OptionError) as caught:
        expanded(pattern)
    assert str(caught.value) == message
