"""Checks of what users register: levels, the span between them, and functions that take what they get."""

from __future__ import annotations

import inspect
import itertools
import math
import numbers
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import TransformError
from pytest_robustness.transforms.operation import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def valid_levels(name: str, levels: Sequence[float]) -> tuple[float, ...]:
    """Return ``levels`` as Python's own numbers.

    Raises
    ------
    TransformError
        They are not one or more finite numbers.
    """
    values = [*levels] if isinstance(levels, Iterable) else []
    if not values or not all(isinstance(level, numbers.Real) and math.isfinite(level) for level in values):
        raise TransformError(
            f"The levels of transform {name!r} must be one or more finite numbers, the value at severity 1, 2, and so "
            f"on; got {levels!r}. Leave levels out for a transform with a single level."
        )
    # Python's own numbers, because the key holds their repr and numpy's has changed between versions.
    return tuple(int(level) if isinstance(level, numbers.Integral) else float(level) for level in values)


def valid_span(name: str, levels: tuple[float, ...], neutral: float | None, continuous: bool | None) -> Span | None:
    """Return the span of a transform with ``levels``; ``None`` for one with a single level.

    ``neutral`` and ``continuous`` are as `Registry.transform` takes them.

    Raises
    ------
    TransformError
        There is ``neutral`` or ``continuous`` without levels, ``neutral`` is not a finite number on the mild side of
        all levels, or magnitudes are to be whole numbers and one of these is not.
    """
    if not levels:
        for what, value in (("neutral", neutral), ("continuous", continuous)):
            if value is not None:
                raise TransformError(
                    f"Transform {name!r} has {what}={value!r} and no levels. Give its levels, or leave {what} out."
                )
        return None
    start = levels[0] if neutral is None else neutral
    if not isinstance(start, numbers.Real) or not math.isfinite(start):
        raise TransformError(
            f"neutral of transform {name!r} is {neutral!r}. Valid: a finite number, the level that changes nothing."
        )
    if neutral is not None and not _one_way((start, *levels)):
        raise TransformError(
            f"neutral of transform {name!r} is {neutral!r}, and its levels are {levels!r}. Valid: a level that changes "
            f"nothing, and levels that lead away from it, mildest first."
        )
    whole = all(isinstance(level, int) for level in levels) if continuous is None else not continuous
    if whole and not all(float(value).is_integer() for value in (start, *levels)):
        raise TransformError(
            f"The magnitudes of transform {name!r} are whole numbers, and neutral={neutral!r} or one of its levels "
            f"{levels!r} is not. Change these, or say continuous=True."
        )
    kind = int if whole else float  # numpy's numbers print otherwise than Python's
    return Span(kind(start), kind(levels[-1]), whole, harmless=neutral is not None)


def check_call(name: str, function: Callable[..., Any], has_level: bool, has_draws: bool) -> None:
    """Raise `TransformError` where ``function`` cannot be called with what a transform gets."""
    expected = ["images", *["level"] * has_level, *["draws"] * has_draws]
    try:
        inspect.signature(function).bind(*expected)
    except ValueError:
        raise TransformError(
            f"Python cannot read the parameters of {function!r}. Register a function that calls it as {name!r}."
        ) from None
    except TypeError as error:
        raise TransformError(
            f"Transform {name!r} is called as f({', '.join(expected)}), but its function does not take that: {error}. "
            f"Change its parameters, or the levels and draws that it is registered with."
        ) from None


def _one_way(values: tuple[float, ...]) -> bool:
    """Whether ``values`` rise throughout, or fall throughout; neighbours may be equal."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
