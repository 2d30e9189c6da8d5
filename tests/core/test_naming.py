"""Models have short names."""

from __future__ import annotations

from pytest_robustness.core.naming import short_names


def test_labels_are_short_where_that_is_unambiguous() -> None:
    assert short_names(["digits:a", "b", "python:pkg.mod:make"]) == {
        "digits:a": "a",
        "b": "b",
        "python:pkg.mod:make": "make",
    }
    assert short_names(["digits:a", "a"]) == {"digits:a": "digits:a", "a": "a"}
