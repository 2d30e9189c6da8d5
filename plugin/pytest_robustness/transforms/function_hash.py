"""Hash a function's code, so that results are computed again when a transform is edited."""

from __future__ import annotations

import hashlib
import inspect
import itertools
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pytest_robustness.errors import TransformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def code_version(name: str, function: Callable[..., Any]) -> str:
    """Return a short hash of the function's source, or of its bytecode if there is no source to read.

    The values that it closes over and its defaults are part of the hash, functions among them by their code. Functions
    that it calls by a global name are not.

    Raises
    ------
    TransformError
        There is no code (a callable object), or the function closes over an object that cannot be hashed.
    """
    parts = [_code(name, function), *_held(name, function, seen={id(function)})]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _code(name: str, function: Callable[..., Any]) -> bytes:
    try:
        return inspect.getsource(function).encode()
    except (OSError, TypeError):
        if not hasattr(function, "__code__"):
            raise TransformError(f"The code of transform {name!r} cannot be read, {_ADVICE}") from None
        return _bytecode(function.__code__)


_ADVICE = "so a change in it would go unseen. Give it a version, version=1, and raise that when you change it."


def _held(name: str, function: Callable[..., Any], seen: set[int]) -> Iterator[bytes]:
    """Yield the values that the function holds besides its code: closed-over values in order, then defaults."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            held = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        yield _value(name, held, seen)
    for defaults in (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)):
        if defaults:
            yield _value(name, defaults, seen)


def _value(name: str, value: object, seen: set[int]) -> bytes:
    if isinstance(value, _PLAIN):
        return repr(value).encode()
    if isinstance(value, ModuleType | type | BuiltinFunctionType):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}".encode()
    if id(value) in seen:
        return b"seen"
    seen.add(id(value))
    if isinstance(value, tuple | list):
        return b"(" + b",".join(_value(name, item, seen) for item in value) + b")"
    if isinstance(value, dict):
        return b"{" + b",".join(_value(name, item, seen) for item in itertools.chain(value, value.values())) + b"}"
    if isinstance(value, FunctionType):
        return b"\0".join([_code(name, value), *_held(name, value, seen)])
    raise TransformError(f"Transform {name!r} holds an object of type {type(value).__name__}, {_ADVICE}")


def _bytecode(code: CodeType) -> bytes:
    """Return instructions, names and constants; for an inner function its own code, as its repr holds an address."""
    constants = [_bytecode(value) if isinstance(value, CodeType) else repr(value).encode() for value in code.co_consts]
    return b"\0".join([code.co_code, repr(code.co_names).encode(), *constants])
