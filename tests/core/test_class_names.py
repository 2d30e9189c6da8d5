"""A class list has an order, that of its numbers where it is a mapping."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from pytest_robustness.core import Model
from pytest_robustness.core.class_names import in_order

TAKEN = {
    "list": ["a", "b", "c"],
    "array": np.array(["a", "b", "c"]),
    "generator": (letter for letter in "abc"),
    "names to numbers": {"c": 2, "a": 0, "b": 1},
    "numbers to names": {2: "c", 0: "a", 1: "b"},
    "numbers of NumPy": {"c": np.int64(2), "a": np.int8(0), "b": np.uint8(1)},
    "keys": {"a": 5, "b": 3, "c": 0}.keys(),
    "values": {5: "a", 3: "b", 0: "c"}.values(),
}


@pytest.mark.parametrize("name", TAKEN)
def test_classes_are_taken_in_their_order(name):
    assert Model(torch.nn.Identity(), classes=TAKEN[name]).classes == ("a", "b", "c")


REFUSED = {
    "set": ({"a", "b"}, "got a set, which has no order"),
    "frozenset": (frozenset("ab"), "got a frozenset, which has no order"),
    "text": ("ab", "got the text 'ab'"),
    "number": (3, "got a value of type int"),
    "from one": ({"a": 1, "b": 2}, "each of the integers from 0 to 1 once"),
    "twice": ({"a": 0, "b": 0}, "got the dict {'a': 0, 'b': 0}. Valid: "),
    "numbers as text": ({"0": "a", "1": "b"}, "{number: name}"),
    "booleans": ({"a": False, "b": True}, "{name: number}"),
    "floats": ({"a": 0.0, "b": 1.0}, "{name: number}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_order_is_refused(name):
    classes, message = REFUSED[name]
    with pytest.raises(TypeError, match="classes must be a list of names.*" + re.escape(message)):
        Model(torch.nn.Identity(), classes=classes)


def test_no_class_is_no_fault():
    assert in_order([]) == in_order({}) == ()
