"""The registry: transforms by name, and chains of them."""

from __future__ import annotations

import inspect
import math
import numbers
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.errors import OptionError, TransformError, UnknownTransformError, unknown
from pytest_robustness.transforms.function_hash import code_version
from pytest_robustness.transforms.types import Chain, FunctionTransform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_robustness.core import Transform

    Function = TypeVar("Function", bound=Callable[..., Any])


class Description(NamedTuple):
    """A transform as ``--robustness-list`` shows it; ``levels`` is empty for a single level and for a chain."""

    name: str
    severities: tuple[int, ...]
    levels: tuple[float, ...]
    summary: str


class Registry:
    """Transforms by name.

    Examples
    --------
    >>> registry = Registry()
    >>> @registry.transform("invert", version=1)
    ... def invert(images):
    ...     '''Every pixel's complement.'''
    ...     return 255 - images
    >>> registry.names()
    ('invert',)
    >>> registry.get("invert+invert").severities
    ()
    """

    def __init__(self) -> None:
        self._transforms: dict[str, FunctionTransform | Chain] = {}

    def transform(
        self, name: str, *, levels: Sequence[float] | None = None, draws: int = 0, version: int | None = None
    ) -> Callable[[Function], Function]:
        """Register the decorated function under ``name`` and return it unchanged.

        Parameters
        ----------
        name
            Letters, digits and underscores.
        levels
            The function's ``level`` at severity 1, 2, ...; usually five, mildest first. ``None``: a single level,
            and the function is called without one.
        draws
            Random numbers per image. The function gets them last, as a numpy array: float64 [B, draws], uniform in
            [0, 1), the same for an image in every batch and at every severity. 0: it is called without them.
        version
            The version of the function's code. Results are computed again when it changes. ``None``: a hash of the
            source code.

        Raises
        ------
        TransformError
            The name is taken or not valid, the levels are not numbers, the number of draws is negative, or the function
            cannot be called with these arguments.
        """
        if not isinstance(name, str):
            raise TransformError(f"A transform needs a name: write @registry.transform('fog'), not {name!r}.")
        if draws < 0:
            raise TransformError(f"draws of transform {name!r} is {draws}. Valid: a whole number from 0.")
        values = None if levels is None else _valid_levels(name, levels)

        def register(function: Function) -> Function:
            self._check_name(name)
            _check_call(name, function, bool(values), bool(draws))
            code = code_version(name, function) if version is None else version
            self._transforms[name] = FunctionTransform(name, function, values or (), draws, code)
            return function

        return register

    def chain(self, name: str, parts: Sequence[str]) -> None:
        """Register the known transforms ``parts``, applied in this order, under one name.

        Raises
        ------
        TransformError
            The name is taken or not valid, or the parts are not a list.
        OptionError
            A part is not known.
        """
        self._check_name(name)
        if isinstance(parts, str) or not parts:
            raise TransformError(f"The parts of chain {name!r} are {parts!r}. Valid: a list of one transform or more.")
        self._transforms[name] = Chain(name, tuple(self._single(part) for part in parts))

    def get(self, name: str) -> Transform:
        """Return the transform of that name, or the chain that joins names with ``+`` in the order of application.

        Raises
        ------
        OptionError
            A name is not known.
        """
        parts = tuple(self._single(part) for part in name.split("+"))
        return parts[0] if len(parts) == 1 else Chain(name, parts)

    def conditions(self, names: Iterable[str], severities: Sequence[int]) -> tuple[Condition, ...]:
        """Return each transform at each severity, without repetition; one with a single level gives one condition.

        Raises
        ------
        OptionError
            A name is not known, or a transform does not have one of the severities.
        """
        conditions: list[Condition] = []
        for transform in map(self.get, names):
            if not transform.severities:
                conditions.append(Condition(transform.name))
                continue
            for severity in severities:
                if severity not in transform.severities:
                    valid = ", ".join(map(str, transform.severities))
                    raise OptionError(f"{transform.name} has no severity {severity}. It has: {valid}.")
                conditions.append(Condition(transform.name, severity))
        return tuple(dict.fromkeys(conditions))

    def copy(self) -> Registry:
        """Return a registry of the same transforms; what is registered in one of the two is not in the other."""
        copy = Registry()
        copy._transforms = dict(self._transforms)
        return copy

    def names(self) -> tuple[str, ...]:
        """Return the names in the order of their registration."""
        return tuple(self._transforms)

    def describe(self) -> tuple[Description, ...]:
        """Describe every transform, in the order of ``names``."""
        return tuple(
            Description(item.name, item.severities, getattr(item, "levels", ()), item.summary)
            for item in self._transforms.values()
        )

    def _single(self, name: str) -> Transform:
        if name not in self._transforms:
            raise UnknownTransformError(unknown("transform", name, self._transforms))
        return self._transforms[name]

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise TransformError(
                f"{name!r} cannot name a transform, because names go into test ids and file names. "
                f"Use letters, digits and underscores."
            )
        if name == CONTROL.transform:
            raise TransformError(f"{name!r} is the condition that changes nothing. Choose another name.")
        if name in self._transforms:
            raise TransformError(f"A transform named {name!r} is registered already. Choose another name.")


def _valid_levels(name: str, levels: Sequence[float]) -> tuple[float, ...]:
    if not len(levels) or not all(isinstance(level, numbers.Real) and math.isfinite(level) for level in levels):
        raise TransformError(
            f"The levels of transform {name!r} must be one or more finite numbers, the value at severity 1, 2, and so "
            f"on; got {levels!r}. Leave levels out for a transform with a single level."
        )
    # Python's own numbers, because the key holds their repr and numpy's has changed between versions.
    return tuple(int(level) if isinstance(level, numbers.Integral) else float(level) for level in levels)


def _check_call(name: str, function: Callable[..., Any], has_level: bool, has_draws: bool) -> None:
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
