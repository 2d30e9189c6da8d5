"""What a stream can hold: of signs that its encoding lacks, the nearest in ASCII."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO

_PLAIN = {"─": "-", "…": "...", "±": "+-", "−": "-", "–": "-", "—": "-", "→": "->", "×": "x", "\N{NO-BREAK SPACE}": " "}


def writable(text: str, stream: IO[str]) -> str:
    r"""Return ``text`` as it can be written to ``stream``; signs without a likeness in ASCII are escaped.

    Examples
    --------
    >>> import io
    >>> writable("± 5 … δ", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    '+- 5 ... \\u03b4'
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.translate({ord(sign): _plain(sign, encoding) for sign in set(text)})


def _plain(sign: str, encoding: str) -> str:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return _PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii")
    return sign
