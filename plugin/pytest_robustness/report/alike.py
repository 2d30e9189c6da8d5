"""Say once what many tests have for a reason, where only its figures differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEWEST: Final = 3
_NUMBER: Final = re.compile(r"[-+]?\d[\d.,]*(e[-+]\d+)?")
_NEEDED: Final = re.compile(r"about ([\d,]+)")


def said_once(lines: Sequence[str]) -> list[str]:
    """Return ``lines``, each a subject, a colon and a reason, with those of one reason but for its figures in one line.

    Two alike stand as they are. Of more, the one that needs most images has its reason, and the others are named.
    """
    groups: dict[str, list[str]] = {}
    for line in lines:
        groups.setdefault(_NUMBER.sub("#", line.partition(": ")[2]), []).append(line)
    return [text for group in groups.values() for text in (group if len(group) < _FEWEST else [_together(group)])]


def _together(group: Sequence[str]) -> str:
    most = max(group, key=_needed)
    others = [line.partition(": ")[0] for line in group if line is not most]
    subjects: dict[str, list[str]] = {}
    for subject in others:
        who, _, where = subject.rpartition(" under ")
        subjects.setdefault(who, []).append(where)
    named = "; ".join(f"{who} under {', '.join(where)}" if who else ", ".join(where) for who, where in subjects.items())
    need = ", none of which needs more images" if _needed(most) else ""
    return f"{most} ({len(others)} more alike{need}: {named})"


def _needed(line: str) -> int:
    """Return how many images a reason names; 0 where it names none, as all of its kind do then."""
    found = _NEEDED.search(line)
    return int(found[1].replace(",", "")) if found else 0
