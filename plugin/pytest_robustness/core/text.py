r"""Text made fit for where it goes: names of classes and files, reasons, texts of exceptions; counts and lists.

`printable` decides what may be shown at all; `for_csv` and `for_log` defuse what a spreadsheet and a CI system's log
would read as more than text. HTML and Markdown have their escapes where they are written (``report/page``,
``report/markdown.py``). `counted` and `abridged` write counts and lists as every sentence of every room has them,
and `pasted` the words of a command that a reader may paste.
"""

from __future__ import annotations

import codecs
import os
import re
import reprlib
import shlex
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

LONGEST_NAME: Final = 1_000
"""Characters of a name that are shown."""

LONGEST_TEXT: Final = 20_000
"""Characters of a longer text that are shown, such as that of an exception."""

# Controls (ESC and BEL among them), line and paragraph separators, marks that reorder or hide what follows, tags, and
# lone surrogates: bytes of a file name that are no UTF-8. Joiners stay, which emoji and some scripts are written with.
_UNPRINTABLE = (
    r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f"
)
# Python compiles a pattern when it is used first: most runs of pytest, which all import this module, use none.
_IN_NAMES: Final = f"[{_UNPRINTABLE}]"
_IN_LINES: Final = f"(?![\n\t])[{_UNPRINTABLE}]"
_BYTES: Final = range(0xDC80, 0xDD00)
# OWASP's list for CSV injection, with the full-width signs that some spreadsheets read alike.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER: Final = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100
# What tables and sentences have besides ASCII, and how they are shown where an encoding lacks it.
_PLAIN: Final = {"─": "-", "–": "-", "−": "-", "…": ".", "→": ">", "±": "+-", "µ": "u", "∞": "inf"}
# GitHub reads `::name` at the start of a line, blanks before it or not, and `##[name]` anywhere in it; Azure Pipelines
# and TeamCity read `##vso[` and `##teamcity[`.
_COMMAND_LINE: Final = r"(?m)^(\s*)::"
_COMMAND: Final = r"##(\w*)\["


def printable(text: str, limit: int = LONGEST_NAME) -> str:
    r"""Return a name on one line, with what a terminal would obey or hide as an escape, cut to ``limit`` characters.

    Examples
    --------
    >>> print(printable("owl"), printable("\x1b[31mred\x07"), printable("a\nb"), printable("caf\udce9"))
    owl \x1b[31mred\x07 a\nb caf\xe9
    """
    return _cut(re.sub(_IN_NAMES, _escape, text[: limit + 1]), limit)


def printable_lines(text: str, limit: int = LONGEST_TEXT) -> str:
    r"""Return a text of several lines as `printable` returns a name; line feeds and tabs stay.

    Examples
    --------
    >>> print(printable_lines("first\nsecond\x1b[2J"))
    first
    second\x1b[2J
    """
    return _cut(re.sub(_IN_LINES, _escape, text[: limit + 1].replace("\r\n", "\n")), limit)


def quoted(value: object, limit: int = 200) -> str:
    r"""Return a value as Python writes it, for a message that names it, cut to ``limit`` characters.

    Of lists and mappings the first entries are written and no more: a value that a file holds may be of any size.

    Examples
    --------
    >>> print(quoted("9" * 5000, limit=10), quoted("a\x00b"), quoted([*range(1000)]))
    '99999999… 'a\x00b' [0, 1, 2, 3, 4, 5, ...]
    """
    if isinstance(value, str):
        return printable(repr(value[: limit + 1]), limit)
    try:
        return printable(_SHORT.repr(value), limit)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return f"<{type(value).__name__}>"


def is_printable(text: str) -> bool:
    """Whether `printable` would show a text as it is."""
    return not re.search(_IN_NAMES, text)


def decoded(name: str) -> str:
    r"""Return a name from the file system that any file can hold: bytes that are no UTF-8 become ``\xff``.

    Examples
    --------
    >>> print(decoded("caf\udce9"), decoded("owl"))
    caf\xe9 owl
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def for_csv(text: str) -> str:
    r"""Return the text of a cell, behind an apostrophe where a spreadsheet would run it as a formula.

    Examples
    --------
    >>> print(for_csv("owl"), for_csv("=1+1"), for_csv("-0.5"), for_csv("-x"))
    owl '=1+1 -0.5 '-x
    """
    return f"'{text}" if text.startswith(_FORMULA) and not re.fullmatch(_NUMBER, text) else text


def for_log(text: str) -> str:
    r"""Return a text in which no CI system finds a command.

    Examples
    --------
    >>> print(for_log("::stop-commands::x"), for_log("a ##[error]b"), for_log("a::b"))
    \::stop-commands::x a ##\[error]b a::b
    """
    return re.sub(_COMMAND, r"##\1\\[", re.sub(_COMMAND_LINE, r"\1\\::", text))


def for_terminal(text: str) -> str:
    """Return a text of several lines for a terminal or a log: `printable_lines`, and no command of a CI system."""
    return for_log(printable_lines(text))


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or ascii(sign)[1:-1] for sign in signs), error.end


PLAIN_SIGNS: Final = "pytest_robustness_plain_signs"
"""How a stream may treat what its encoding lacks, its ``errors``: our own signs become plain ones, others escapes."""

codecs.register_error(PLAIN_SIGNS, _plain)


def encodable(text: str, encoding: str) -> str:
    r"""Return a text with what ``encoding`` lacks as `PLAIN_SIGNS` has it.

    Examples
    --------
    >>> print(encodable("── 4 – 5 猫", "latin-1"))
    -- 4 - 5 \u732b
    """
    return text.encode(encoding, PLAIN_SIGNS).decode(encoding)


def pasted(word: str) -> str:
    """Return a word of a command as it can be pasted: for the shells of this system, in the quotes that they take."""
    if os.name != "nt":
        return shlex.quote(word)
    # cmd.exe takes single quotes for letters; PowerShell takes double quotes, too.
    if re.fullmatch(r"[\w\\/:.,=+-]+", word, re.ASCII):
        return word
    escaped = re.sub(r'(\\*)("|\Z)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), word)
    return f'"{escaped}"'


def grouped(count: int) -> str:
    """Return a count with its thousands set apart.

    Examples
    --------
    >>> grouped(1281167)
    '1,281,167'
    """
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> counted(1, "class", "classes"), counted(1000, "model")
    ('1 class', '1,000 models')
    """
    return f"{grouped(count)} {noun if count == 1 else plural or noun + 's'}"


def abridged(things: Sequence[_T], most: int, write: Callable[[_T], str] = str) -> str:
    """Return what ``write`` makes of the first ``most`` things, and the number of the others.

    Examples
    --------
    >>> abridged(["cat", "dog"], 2), abridged(["cat", "dog", "owl", "rat"], 2)
    ('cat, dog', 'cat, dog and 2 more')
    """
    listed = ", ".join(map(write, things[:most]))
    return f"{listed} and {grouped(len(things) - most)} more" if len(things) > most else listed


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _BYTES:  # of a file name, as `os.fsdecode` keeps them
        return f"\\x{code - 0xDC00:02x}"
    named = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}.get(code)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
