"""Check a severity against those that a transform has."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def require_severity(name: str, severity: object, severities: Sequence[int]) -> None:
    """Raise `OptionError` unless ``severity`` is one of the ``severities`` of the transform ``name``, and an integer.

    Of another type it would be equal and a name of its own, ``fog-s3.0``.
    """
    whole = isinstance(severity, numbers.Integral)
    if whole and severity in severities:
        return
    kind = "" if whole or severity is None else f", which is of type {type(severity).__name__}"
    valid = ", ".join(map(str, severities))
    raise OptionError(f"{name} has no severity {severity!r}{kind}. It has: {valid}.")


def require_known(severities: Iterable[int], known: Iterable[int]) -> None:
    """Raise `OptionError` for a severity that is none of the ``known`` ones, which some transform has.

    A run whose transforms have a single level would never say that nobody has it.
    """
    levels = sorted(set(known))
    for severity in severities:
        if severity not in levels:
            valid = ", ".join(map(str, levels)) or "none"
            raise OptionError(f"No transform has severity {severity}. They have: {valid}.")
