"""Compute by NumPy's own rules for floating-point errors, whatever a program around the package has set."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def numpy_defaults(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """Have a function compute with NumPy's defaults, and leave the settings of its caller as they were.

    A test suite may call ``np.seterr(all="raise")`` for the sake of its own arithmetic. Here an underflow is a
    probability that rounds to zero.
    """

    @functools.wraps(function)
    def computed(*args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        import numpy as np

        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return computed
