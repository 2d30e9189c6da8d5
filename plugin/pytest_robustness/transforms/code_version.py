"""A fingerprint of a function's code, so that an edited transform is computed anew."""

from __future__ import annotations

import hashlib
import inspect
from types import CodeType
from typing import TYPE_CHECKING, Any

from pytest_robustness.errors import TransformError

if TYPE_CHECKING:
    from collections.abc import Callable


def code_version(name: str, function: Callable[..., Any]) -> str:
    """Return a short hash of the function's source, or of its bytecode where there is no source to read.

    What the function calls is not part of it.

    Raises
    ------
    TransformError
        Where there is neither, as with an object that is called.
    """
    try:
        code = inspect.getsource(function).encode()
    except (OSError, TypeError):
        if not hasattr(function, "__code__"):
            raise TransformError(
                f"The code of transform {name!r} cannot be read, so a change in it would go unseen. "
                f"Give it a version, version=1, and raise that when you change it."
            ) from None
        code = _bytecode(function.__code__)
    return hashlib.sha256(code).hexdigest()[:16]


def _bytecode(code: CodeType) -> bytes:
    """Return instructions, names and constants; an inner function by its own code, whose repr would be an address."""
    constants = [_bytecode(value) if isinstance(value, CodeType) else repr(value).encode() for value in code.co_consts]
    return b"\0".join([code.co_code, repr(code.co_names).encode(), *constants])
