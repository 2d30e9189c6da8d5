"""What a transform's key follows: its source, what it closes over and its defaults, in every process the same."""

from __future__ import annotations

import math
import queue
import subprocess
import sys

import pytest

from pytest_robustness.core.errors import TransformError
from pytest_robustness.transforms.function_hash import code_version


def closing_over(value):
    def transform(images):
        return images, value

    return transform


def with_default(value):
    def transform(images, more=value, *, least=value):
        return images, more, least

    return transform


@pytest.mark.parametrize("make", [closing_over, with_default])
@pytest.mark.parametrize(
    ("one", "other"), [(1, 2), ("a", "b"), ((1, 2), [2, 1]), ({"a": 1}, {"a": 2}), (math, sys), (len, sum), (int, str)]
)
def test_what_a_function_holds_is_part_of_it(make, one, other):
    assert code_version("t", make(one)) == code_version("t", make(one))
    assert code_version("t", make(one)) != code_version("t", make(other))


def test_a_function_that_is_closed_over_counts_by_its_own_code_and_what_it_holds():
    def same(images):
        return images

    assert code_version("t", closing_over(same)) != code_version("t", closing_over(closing_over(1)))
    assert code_version("t", closing_over(closing_over(1))) != code_version("t", closing_over(closing_over(2)))


def test_a_function_that_closes_over_itself_has_a_version():
    def again(images, depth=2):
        return again(images, depth - 1) if depth else images

    assert code_version("t", again)


def test_an_object_that_cannot_be_hashed_asks_for_a_version():
    with pytest.raises(TransformError) as raised:
        code_version("t", closing_over({"jobs": queue.SimpleQueue()}))
    assert str(raised.value) == (
        "Transform 't' uses value.jobs (SimpleQueue), which cannot be hashed, so a change in it would go unseen. "
        "Give it a version, version=1, and raise that when you change it."
    )


def test_every_process_finds_the_same_version():
    script = """
from pytest_robustness.transforms.function_hash import code_version
def make(value):
    def transform(images): return images, value
    return transform
print(code_version("t", make({"a": (1, 2.5), "b": {"c": None}, "d": len, "e": make})))
"""
    found = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert found[0]
    assert found[0] == found[1]
