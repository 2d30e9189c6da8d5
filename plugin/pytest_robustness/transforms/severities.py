"""Check a severity against those that a transform has."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING

from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence


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
