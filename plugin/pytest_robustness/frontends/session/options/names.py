"""Split lists of names: commas and blanks separate them, and may be part of a path or of a call."""

from __future__ import annotations

import re
import shlex
from typing import Final, NamedTuple

# A name of these sources is a path, and ends in one of these ways.
_ENDS: Final = {
    "python": r".*[^:\s,]:[A-Za-z_]\w*",
    "onnx": r"(?i:.*\.onnx)",
    "openvino": r"(?i:.*\.(xml|onnx|tflite))",
}

# A name that is written as a call, from its start: worst(rotation, k=10). Elsewhere a parenthesis is part of a path.
_CALL: Final = r"""(?<![^,\s])\w+\((?:[^()"']|\([^()"']*\))*\)"""


def read_names(text: str) -> tuple[str, ...]:
    """Read names separated by commas or blanks.

    What stands in quotes, single or double, is one name, and what is written as a call goes on to its last parenthesis.
    Without quotes, a path goes on over commas and blanks until it ends as the names of its source do.

    >>> read_names("resnet18, python:my nets/a,b.py:make")
    ('resnet18', 'python:my nets/a,b.py:make')
    >>> read_names("'onnx:one.onnx two.onnx'")
    ('onnx:one.onnx two.onnx',)
    >>> read_names("vflip, worst(rotation+translate, k=10)")
    ('vflip', 'worst(rotation+translate, k=10)')

    Raises
    ------
    ValueError
        There is no name, or a quote is not closed.
    """
    names: list[str] = []
    parts = _parts(text)
    while parts:
        count = _length(parts)
        names.append("".join(part.text + part.separator for part in parts[: count - 1]) + parts[count - 1].text)
        parts = parts[count:]
    if not names:
        raise ValueError("at least one name, separated by commas")
    return tuple(names)


def in_quotes(name: str) -> str:
    """Return a name as `read_names` reads it back: in quotes where it holds blanks or quotes."""
    if not re.search(r"[\s'\"]", name):
        return name
    mark = "'" if '"' in name else '"'
    return mark + name + mark


class _Part(NamedTuple):
    """A piece of text between separators, with the separator that follows it."""

    text: str
    separator: str
    quoted: bool


def _parts(text: str) -> list[_Part]:
    parts = []
    piece = rf"""(?:"[^"]*"|'[^']*'|{_CALL}|[^,\s"'])+"""
    for match in re.finditer(rf"(?P<text>{piece})(?P<separator>[,\s]*)", _closed(text)):
        plain = re.sub(r"""(["'])(.*?)\1""", r"\2", match["text"])
        parts.append(_Part(plain, match["separator"], plain != match["text"]))
    return parts


def _closed(text: str) -> str:
    try:
        lexer = shlex.shlex(text, posix=True)
        lexer.escape, lexer.commenters, lexer.whitespace_split = "", "", True  # backslashes are parts of paths
        list(lexer)
    except ValueError:
        raise ValueError("names whose quotes are closed; one that holds a quote, in quotes of the other kind") from None
    return text


def _length(parts: list[_Part]) -> int:
    """Return how many of ``parts`` make up the first name."""
    source, _, path = parts[0].text.partition(":")
    if parts[0].quoted or source not in _ENDS:
        return 1
    for count, part in enumerate(parts, 1):
        path += part.text if count > 1 else ""
        if re.fullmatch(_ENDS[source], path):
            return count
        path += part.separator
    return 1  # none of them ends so: the error names the first
