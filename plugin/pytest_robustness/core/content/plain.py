"""Encode plain values as bytes, the same in every process."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Deeper tuples are walked like other objects.
_DEEPEST = 4


class Content(NamedTuple):
    """What one object contributes to a hash.

    Parameters
    ----------
    own
        Bytes of its own, in order.
    parts
        The objects that it refers to, in an order that every process finds, each with a name for messages.
    lacks
        Whether it holds something more that cannot be read.
    """

    own: Sequence[bytes | memoryview]
    parts: Sequence[tuple[str, object]] = ()
    lacks: bool = False


def framed(tag: bytes, payload: bytes) -> bytes:
    """Return ``payload`` after its kind and length, so that no two sequences of payloads read the same."""
    return b"%b%d:%b" % (tag, len(payload), payload)


def plain(value: object, depth: int = 0) -> bytes | None:
    """Return the bytes of a value that is equal to all that look like it; ``None`` for any other object.

    These are numbers, texts, bytes and ``None``, of exactly Python's own types, and shallow tuples and frozen sets of
    them. Whether two of them are the same object is up to the interpreter, so that it must not count.

    >>> plain(1) == plain(True), plain("a") == plain(b"a"), plain(0.0) == plain(-0.0)
    (False, False, False)
    >>> plain((1, "a")) == plain((1, "a")), plain([1])
    (True, None)
    """
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if depth < _DEEPEST and type(value) in (tuple, frozenset):
        items = [plain(item, depth + 1) for item in value]  # type: ignore[attr-defined]
        known = [item for item in items if item is not None]
        if len(known) == len(items):
            return framed(b"(", b"".join(known)) if type(value) is tuple else framed(b"{", b"".join(sorted(known)))
    return None


def _text(value: object) -> bytes:
    return framed(b"s", str(value).encode(errors="surrogatepass"))


_ENCODERS: dict[type, Callable[..., bytes]] = {
    type(None): lambda _: b"N",
    type(Ellipsis): lambda _: b"E",
    type(NotImplemented): lambda _: b"I",
    bool: lambda value: b"T" if value else b"F",
    # In base 16, because Python refuses to write long numbers in base 10.
    int: lambda value: framed(b"i", b"%x" % value),
    float: lambda value: b"f" + struct.pack(">d", value),
    complex: lambda value: b"c" + struct.pack(">dd", value.real, value.imag),
    str: _text,
    bytes: lambda value: framed(b"b", value),
}
