"""Expand ``shard-{000000..000012}.tar`` as a shell does."""

from __future__ import annotations

import itertools
import re
import string
from typing import Final

from pytest_robustness.core.errors import OptionError

_RANGE: Final = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.-?(\d+))?")
_LETTERS: Final = re.compile(r"([A-Za-z])\.\.([A-Za-z])(?:\.\.-?(\d+))?")
_MOST: Final = 1_000_000


def expanded(text: str) -> list[str]:
    """Return the texts that ``text`` stands for: ``{a,b}`` for each of a list, ``{00..12}`` or ``{a..c}`` of a range.

    >>> expanded("{val,test}-{08..10}.tar")
    ['val-08.tar', 'val-09.tar', 'val-10.tar', 'test-08.tar', 'test-09.tar', 'test-10.tar']

    Raises
    ------
    OptionError
        A brace has no partner, or there are more than a million texts.
    """
    opening = text.find("{")
    if opening < 0:
        if "}" in text:
            raise OptionError(f"{text!r} has a closing brace without an opening one. Valid: shard-{{000..012}}.tar.")
        return [text]
    closing = _partner(text, opening)
    before, inner = text[:opening], text[opening + 1 : closing]
    rest = expanded(text[closing + 1 :])
    parts = _parts(inner)
    if len(parts) * len(rest) > _MOST:
        raise OptionError(f"{text!r} stands for more than {_MOST:,} files. Name them by a folder or by *.tar.")
    return [f"{before}{part}{end}" for part, end in itertools.product(parts, rest)]


def _partner(text: str, opening: int) -> int:
    depth = 0
    for position in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
    raise OptionError(f"{text!r} has an opening brace without a closing one. Valid: shard-{{000..012}}.tar.")


def _parts(inner: str) -> list[str]:
    """Return what a pair of braces stands for; without a comma or a range, itself with its braces."""
    match = _RANGE.fullmatch(inner)
    if match:
        return _numbers(match[1], match[2], int(match[3] or 1) or 1)
    match = _LETTERS.fullmatch(inner)
    if match:
        return _letters(match[1], match[2], int(match[3] or 1) or 1)
    items, depth = [""], 0
    for sign in inner:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "," and not depth:
            items.append("")
        else:
            items[-1] += sign
    if len(items) == 1:
        return [f"{{{part}}}" for part in expanded(inner)]
    return [part for item in items for part in expanded(item)]


def _numbers(first: str, last: str, step: int) -> list[str]:
    padded = any(re.match(r"-?0\d", one) for one in (first, last))
    width = max(len(first), len(last)) if padded else 0
    start, end = int(first), int(last)
    if abs(end - start) // step >= _MOST:
        raise OptionError(f"{{{first}..{last}}} stands for more than {_MOST:,} files. Name them by a folder.")
    return [f"{number:0{width}d}" for number in _between(start, end, step)]


def _letters(first: str, last: str, step: int) -> list[str]:
    letters = string.ascii_uppercase + string.ascii_lowercase
    return [letters[place] for place in _between(letters.index(first), letters.index(last), step)]


def _between(start: int, end: int, step: int) -> range:
    return range(start, end + 1, step) if start <= end else range(start, end - 1, -step)
