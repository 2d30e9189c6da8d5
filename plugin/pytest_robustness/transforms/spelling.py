"""How transforms are written: names, chains of names, magnitudes, and the worst of several draws."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pytest_robustness.core.errors import OptionError

DRAWS: Final = 10
_MOST_DRAWS: Final = 1000
_NUMBER: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"


class Spelling(NamedTuple):
    """The parts of a transform's name.

    ``chain`` joins ``names`` with ``+``; ``magnitude`` is the text after the colon, ``draws`` the k of a worst of k.
    """

    chain: str
    magnitude: str | None = None
    draws: int | None = None

    @property
    def names(self) -> list[str]:
        """The names of the transforms, in the order of application."""
        return self.chain.split("+")


def spelling(name: str) -> Spelling:
    """Take the name of a transform apart; blanks are allowed in that of a worst of k.

    >>> spelling("rotation:17.5")
    Spelling(chain='rotation', magnitude='17.5', draws=None)
    >>> spelling("worst(rotation + translate, k=20)")
    Spelling(chain='rotation+translate', magnitude=None, draws=20)

    Raises
    ------
    OptionError
        It is no text, or a worst of k that cannot be read.
    """
    if not isinstance(name, str):
        raise OptionError(f"{name!r} names no transform. Write the name of one as a text, such as 'vflip'.")
    if not re.match(r"\s*worst\s*\(", name):
        return _simple(name)
    match = re.fullmatch(r"worst\(([^(),=]+)(?:,k=([^(),=]*))?\)", re.sub(r"\s*([(),=+:])\s*", r"\1", name.strip()))
    if match is None:
        raise OptionError(
            f"{name!r} cannot be read. Write worst(TRANSFORM,k=N), where TRANSFORM is a transform or a chain: "
            f"worst(rotation+translate,k=10)."
        )
    return _simple(match[1])._replace(draws=_draws(match[2], name))


def read_magnitude(text: str) -> float | None:
    """Return the number that ``text`` is; ``None`` where it is none."""
    return float(text) if re.fullmatch(_NUMBER, text, re.ASCII) else None


def _simple(name: str) -> Spelling:
    chain, colon, magnitude = name.partition(":")
    return Spelling(chain, magnitude if colon else None)


def _draws(text: str | None, name: str) -> int:
    if text is None:
        return DRAWS
    # Python refuses to read more than some thousand digits.
    if not re.fullmatch(r"0*[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= _MOST_DRAWS:
        raise OptionError(
            f"k of {name!r} is {text!r}. Valid: a whole number from 1 to {_MOST_DRAWS}, the number of draws of which "
            f"the worst counts."
        )
    return int(text)
