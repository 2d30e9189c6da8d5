"""Readers: each turns the text of an option into its value, or raises ``ValueError`` naming what is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.analysis.test_result import MaxSensitive

GATE_RULES = ("maxFailures", "minTestsCount", "successRate")

# A day: no batch takes longer, and timers of some systems hold no more.
_LONGEST = 86_400

_Word = TypeVar("_Word", bound=str)


class Choice(Generic[_Word]):
    """A reader of one of a few words.

    Parameters
    ----------
    words
        The valid ones.
    """

    def __init__(self, *words: _Word) -> None:
        self.words = words

    def __call__(self, text: str) -> _Word:
        """Return ``text`` if it is one of the words."""
        for word in self.words:
            if word == text:
                return word
        raise ValueError(", ".join(self.words))


def read_severities(text: str) -> tuple[int, ...]:
    """Read severity levels: ``3``, ``1-5`` or ``1,3,5``."""
    levels: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9])\s*(?:-\s*([1-9])\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError("levels from 1, such as 3, 1-5 or 1,3,5")
        levels.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(levels))


def read_alpha(text: str) -> float:
    """Read a significance level."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise ValueError("a number above 0 and below 1, such as 0.05")
    return value


def read_points(text: str) -> float:
    """Read points of accuracy."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise ValueError("points of accuracy above 0, up to 100, such as 1.5")
    return value


@overload
def read_whole(minimum: int) -> Callable[[str], int]: ...


@overload
def read_whole(minimum: int, word: str) -> Callable[[str], int | None]: ...


def read_whole(minimum: int, word: str | None = None) -> Callable[[str], int | None]:
    """Return a reader of whole numbers from ``minimum`` on, which reads ``word`` as ``None``."""
    valid = f"a whole number from {minimum}" + (f", or {word}" if word else "")

    def read(text: str) -> int | None:
        if word and text == word:
            return None
        if not re.fullmatch(r"\d+", text) or int(text) < minimum:
            raise ValueError(valid)
        return int(text)

    return read


def read_seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= _LONGEST:
        raise ValueError(f"seconds above 0, up to {_LONGEST}, such as 60")
    return value


def read_max_sensitive(text: str) -> MaxSensitive:
    """Read how many sensitive classes are allowed."""
    if text == "chance":
        return "chance"
    if re.fullmatch(r"\d+", text):
        return int(text)
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise ValueError("chance, a count of classes such as 5, or a fraction of them such as 0.1")
    return fraction


def read_device(text: str) -> str:
    """Read the name of a device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise ValueError("auto, cpu, cuda, cuda:1 (and so on), mps")
    return text


def read_path(text: str) -> Path:
    """Read a path."""
    if not text.strip():
        raise ValueError("a path")
    return Path(text).expanduser()


def read_rules(text: str) -> tuple[tuple[str, float], ...]:
    """Read rules of Allure's quality gate: ``maxFailures=3,successRate=0.9``."""
    rules = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(\d+(?:\.\d+)?)\s*", part)
        if match is None or match[1] not in GATE_RULES or (match[1] == "successRate" and float(match[2]) > 1):
            raise ValueError("maxFailures=N, minTestsCount=N and successRate=F (0 to 1), separated by commas")
        rules[match[1]] = float(match[2])
    return tuple(rules.items())


def read_flag(text: str) -> bool:
    """Read ``true`` or ``false``."""
    return Choice("true", "false")(text.lower()) == "true"
