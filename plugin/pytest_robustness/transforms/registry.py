"""The registry: transforms by name, and chains of them."""

from __future__ import annotations

import re
import sys
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.core.errors import OptionError, TransformError, UnknownTransformError, short_path, unknown
from pytest_robustness.transforms.chain import Chain, not_a_magnitude
from pytest_robustness.transforms.function_hash import code_version
from pytest_robustness.transforms.operation import Operation, Span
from pytest_robustness.transforms.registration import check_call, valid_levels, valid_span
from pytest_robustness.transforms.severities import require_known, require_severity
from pytest_robustness.transforms.spelling import Spelling, read_magnitude, spelling
from pytest_robustness.transforms.worst import WorstOf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_robustness.core import Transform

    Function = TypeVar("Function", bound=Callable[..., Any])


_PACKAGE = Path(__file__).parent.parent


class Description(NamedTuple):
    """A transform as ``--robustness-list`` shows it; ``levels`` is empty for a single level and for a chain.

    ``on_request``: a run has it only where it is named.
    """

    name: str
    severities: tuple[int, ...]
    levels: tuple[float, ...]
    summary: str
    on_request: bool = False


class _Known(NamedTuple):
    chain: Chain
    description: Description
    place: str


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
        self._known: dict[str, _Known] = {}

    def transform(
        self,
        name: str,
        *,
        levels: Sequence[float] | None = None,
        draws: int = 0,
        version: int | None = None,
        neutral: float | None = None,
        continuous: bool | None = None,
        on_request: bool = False,
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
            The version of the function's code; a new one has results computed again. ``None``: a hash of its code and
            of all that it uses, as these are when a run first asks.
        neutral
            The level that changes nothing: 0 of a rotation, 1 of a factor. Magnitudes go from there to the last level.
            ``None``: from the mildest level.
        continuous
            Whether the function takes any number between its levels. ``None``: unless all levels are whole numbers.
        on_request
            Whether a run has the transform only where an option or a test names it.

        Raises
        ------
        TransformError
            The name is taken or not valid, levels or neutral are not valid, draws are no whole number from 0, or the
            function cannot be called with these arguments.
        """
        if not isinstance(name, str):
            raise TransformError(f"A transform needs a name: write @registry.transform('fog'), not {name!r}.")
        if not isinstance(draws, Integral) or draws < 0:
            raise TransformError(f"draws of transform {name!r} is {draws!r}. Valid: a whole number from 0.")
        values = () if levels is None else valid_levels(name, levels)
        span = valid_span(name, values, neutral, continuous)

        def register(function: Function) -> Function:
            check_call(name, function, bool(values), bool(draws))
            if version is None:
                code_version(name, function)  # what cannot be hashed is refused where it is written
            self.add(Operation(name, function, values, int(draws), version, span), on_request=on_request)
            return function

        return register

    def add(self, operation: Operation, *, on_request: bool = False) -> None:
        """Register an operation under its name; raises `TransformError` where that is taken or not valid."""
        _check_name(operation.name, self._known)
        chain = Chain(operation.name, (operation,))
        facts = Description(operation.name, chain.severities, operation.levels, operation.summary, on_request)
        self._known[operation.name] = _Known(chain, facts, _place())

    def chain(self, name: str, parts: Sequence[str]) -> None:
        """Register the known transforms ``parts``, applied in this order, under one name.

        Raises
        ------
        TransformError
            The name is taken or not valid, or the parts are not a list.
        OptionError
            A part is not known.
        """
        _check_name(name, self._known)
        if isinstance(parts, str) or not parts:
            raise TransformError(f"The parts of chain {name!r} are {parts!r}. Valid: a list of one transform or more.")
        chain = self._chain(name, parts)
        summary = f"The chain {'+'.join(one.name for one in chain.operations)}."
        self._known[name] = _Known(chain, Description(name, chain.severities, (), summary), _place())

    def get(self, name: str) -> Transform:
        """Return the transform of that name.

        A name may be one that is registered (``rotation``); a chain that joins names with ``+`` in the order of
        application; either at a magnitude (``rotation:17.5``, ``rotation+translate:0.5``); or the worst of k draws
        of one of these (``worst(rotation+translate,k=10)``).

        Raises
        ------
        OptionError
            A name is not known, or a magnitude or k is not valid.
        """
        spelled = spelling(name)
        chain = self._spelled(spelled)
        return chain if spelled.draws is None else WorstOf(chain, spelled.draws)

    def span(self, name: str, severity: int | None = None) -> Span:
        """Return the magnitudes of the transform or chain ``name``; with a severity, those up to its levels.

        The magnitude of a chain is the fraction of its own span that each of its transforms goes: 0 to 1. Those with a
        single level are applied in full at any, so that 0 changes something too: see `Span`.

        Raises
        ------
        OptionError
            A name is not known, or it has a single level, or not that severity.
        """
        return self._levelled(name).span(severity)

    def at(self, name: str, magnitude: float) -> Condition:
        """Return the condition of the transform or chain ``name`` at ``magnitude``.

        Raises
        ------
        OptionError
            A name is not known, or it has a single level, or the magnitude is outside of its span.
        """
        return Condition(self._levelled(name).at(magnitude).name)

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
            for severity in severities if transform.severities else ():
                require_severity(transform.name, severity, transform.severities)
                conditions.append(Condition(transform.name, severity))
        return tuple(dict.fromkeys(conditions))

    def require_severities(self, severities: Iterable[int]) -> None:
        """Raise `OptionError` for a severity that no transform has."""
        require_known(severities, (level for one in self._known.values() for level in one.description.severities))

    def copy(self) -> Registry:
        """Return a registry of the same transforms; what is registered in one of the two is not in the other."""
        copy = Registry()
        copy._known = dict(self._known)
        return copy

    def names(self) -> tuple[str, ...]:
        """Return the names of the transforms of a run that names none, in the order of their registration."""
        return tuple(name for name, known in self._known.items() if not known.description.on_request)

    def describe(self) -> tuple[Description, ...]:
        """Describe every transform, in the order of registration; those that a run has on request, last."""
        return tuple(sorted((known.description for known in self._known.values()), key=lambda one: one.on_request))

    def _spelled(self, spelled: Spelling) -> Chain:
        chain = self._chain(spelled.chain, spelled.names)
        if spelled.magnitude is None:
            return chain
        magnitude = read_magnitude(spelled.magnitude)
        if magnitude is None:
            raise OptionError(not_a_magnitude(chain, spelled.magnitude))
        return chain.at(magnitude)

    def _levelled(self, name: str) -> Chain:
        if (spelled := spelling(name)).draws is not None:
            raise OptionError(f"{name!r} takes no magnitude. Give one to the transform inside of it.")
        return self._spelled(spelled)

    def _chain(self, name: str, parts: Sequence[str]) -> Chain:
        return Chain(name, tuple(one for part in parts for one in self._single(part).operations))

    def _single(self, name: str) -> Chain:
        if name not in self._known:
            raise UnknownTransformError(unknown("transform", name, self._known))
        return self._known[name].chain


def _check_name(name: str, taken: Mapping[str, _Known]) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise TransformError(
            f"{name!r} cannot name a transform, because names go into test ids and file names. "
            f"Use letters, digits and underscores."
        )
    if name == CONTROL.transform:
        raise TransformError(f"{name!r} is the condition that changes nothing. Choose another name.")
    if name in taken:
        places = (f" ({place})" if place else "" for place in (taken[name].place, _place()))
        raise TransformError(
            "A transform named {!r} is registered already{}. Choose another name{}.".format(name, *places)
        )


def _place() -> str:
    """Return the file and line that registers a transform; empty for one of this package."""
    frame = sys._getframe()
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    return "" if file.is_relative_to(_PACKAGE) else f"{short_path(file)}:{frame.f_lineno}"
