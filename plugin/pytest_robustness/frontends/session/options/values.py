"""Readers: each turns the text of an option into its value, or raises ``ValueError`` naming what is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from pytest_robustness.analysis.limits import VALID_ALPHA, VALID_POINTS, are_points, is_alpha
from pytest_robustness.core.text import is_printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.analysis.test_result import MaxSensitive

GATE_RULES = ("maxFailures", "minTestsCount", "successRate")
# The limits of Linux; those of other systems are as large or smaller.
_LONGEST_PART = 255
_LONGEST_PATH = 4095
_LARGEST = 2**63 - 1

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


def read_choices(*words: str) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of some of ``words``, separated by commas or blanks; it reads ``none`` as none of them."""

    def read(text: str) -> tuple[str, ...]:
        if text == "none":
            return ()
        names = tuple(filter(None, re.split(r"[,\s]+", text)))
        if not names or not {*names} <= {*words}:
            raise ValueError(f"{', '.join(words)}, separated by commas; or none")
        return tuple(dict.fromkeys(names))

    return read


def require_plain(text: str) -> None:
    """Refuse what is a value of no option: it would fail later, and less clearly."""
    if not is_printable(text):
        raise ValueError("a text without control characters, in Unicode")


def require_short(text: str) -> None:
    """Refuse a name or a path that no system would open."""
    if any(len(part.encode()) > _LONGEST_PART for part in re.split(r"[/\\,:+\s]", text)):
        raise ValueError(f"names and parts of paths of at most {_LONGEST_PART} bytes")
    if any(len(path.encode()) > _LONGEST_PATH for path in re.split(r"[,\n]", text)):
        raise ValueError(f"names and paths of at most {_LONGEST_PATH:,} bytes")


def read_text(text: str) -> str:
    """Read a name."""
    if not text:
        raise ValueError("a name")
    return text


def no_folder(path: Path) -> str:
    """Return what is valid in place of the path of no folder; empty for one that is there."""
    return "" if _holds(path.is_dir) else "a folder that is there"


def no_templates(named: str) -> str:
    """Return what is valid in place of a name of no CLIP templates; empty for a word of ours and a file."""
    words = ("single", "simple", "openai")
    return "" if named in words or _holds(Path(named).is_file) else f"{', '.join(words)}, or a text file that is there"


def _holds(of_path: Callable[[], bool]) -> bool:
    try:
        return of_path()
    except OSError:  # a name that is too long
        return False


def read_severities(text: str) -> tuple[int, ...]:
    """Read severity levels: ``3``, ``1-5`` or ``1,3,5``."""
    levels: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9])\s*(?:-\s*([1-9])\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError("levels from 1, such as 3, 1-5 or 1,3,5")
        levels.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(levels))


def read_number(fits: Callable[[float], bool], valid: str) -> Callable[[str], float]:
    """Return a reader of numbers that are as ``fits`` says; ``valid`` says so in words, to whoever gives another."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(valid) from None
        if not fits(value):
            raise ValueError(valid)
        return value

    return read


read_alpha = read_number(is_alpha, f"{VALID_ALPHA}, such as 0.05")
read_points = read_number(are_points, f"{VALID_POINTS}, such as 1.5")
read_percent = read_number(lambda value: 0 < value < 100, "a share in percent above 0 and below 100, such as 1.0")
read_seconds = read_number(lambda value: 0 < value <= _LONGEST, f"seconds above 0, up to {_LONGEST}, such as 60")


@overload
def read_whole(minimum: int, *, most: int = ...) -> Callable[[str], int]: ...


@overload
def read_whole(minimum: int, word: str, *, most: int = ...) -> Callable[[str], int | None]: ...


def read_whole(minimum: int, word: str | None = None, *, most: int = _LARGEST) -> Callable[[str], int | None]:
    """Return a reader of whole numbers from ``minimum`` to ``most``, which reads ``word`` as ``None``."""
    valid = f"a whole number from {minimum}" + (f", or {word}" if word else "")

    def read(text: str) -> int | None:
        if word and text == word:
            return None
        if not re.fullmatch(r"[0-9]+", text):
            raise ValueError(valid)
        # Python refuses to read more than some thousand digits.
        if len(text.lstrip("0")) > len(str(most)) or int(text) > most:
            raise ValueError(f"{valid}, and at most {most}")
        if int(text) < minimum:
            raise ValueError(valid)
        return int(text)

    return read


def read_max_sensitive(text: str) -> MaxSensitive:
    """Read how many sensitive classes are allowed."""
    if text == "chance":
        return "chance"
    if re.fullmatch(r"[0-9]{1,18}", text):
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
    # PyTorch keeps a device's number in one byte.
    if not re.fullmatch(r"auto|cpu|mps|cuda(:(0|[1-9][0-9]?|1[01][0-9]|12[0-7]))?", text):
        raise ValueError("auto, cpu, cuda, cuda:1 (and so on), mps")
    return text


def read_path(text: str) -> Path:
    """Read a path."""
    if not text.strip():
        raise ValueError("a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("a path; this machine knows no such user") from None


def read_rules(text: str) -> tuple[tuple[str, float], ...]:
    """Read rules of Allure's quality gate: ``maxFailures=3,successRate=0.9``."""
    rules = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*", part)
        if match is None or match[1] not in GATE_RULES or (match[1] == "successRate" and float(match[2]) > 1):
            raise ValueError("maxFailures=N, minTestsCount=N and successRate=F (0 to 1), separated by commas")
        rules[match[1]] = float(match[2])
    return tuple(rules.items())


def read_flag(text: str) -> bool:
    """Read ``true`` or ``false``."""
    return Choice("true", "false")(text.lower()) == "true"
