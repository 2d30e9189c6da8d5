"""Write numbers and names as reports show them: changes, accuracies, p-values."""

from __future__ import annotations

import math
import re
import textwrap
from typing import TYPE_CHECKING

from markupsafe import Markup, escape
from rich.text import Text

from pytest_robustness.analysis.policy import in_points, steady
from pytest_robustness.core.text import abridged, counted, grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHADE_STEPS = (1.0, 5.0, 15.0, 30.0, 50.0)
"""The change in points at which each of the five shades of the heat scale begins."""

_NAMED = 3
DASH = "–"
"""Stands in a table for a figure that is not defined."""


def p_text(p: float) -> str:
    """Return a p-value as people write it.

    Examples
    --------
    >>> p_text(0.0432), p_text(3.2e-7), p_text(0.0), p_text(math.nan)
    ('0.043', '3.2e-07', '0', 'not defined')
    """
    return "not defined" if math.isnan(p) else f"{p:.2g}"


def points_text(points: float) -> str:
    """Return a difference in points with its sign.

    Examples
    --------
    >>> points_text(-3.14159), points_text(0.0)
    ('-3.1', '+0.0')
    """
    return f"{steady(points):+.1f}"


def points(value: float) -> str:
    """Return a change in points with a typographic minus.

    Examples
    --------
    >>> points(-3.14159), points(2.0), points(-0.01), points(float("nan"))
    ('−3.1', '+2.0', '0.0', 'not defined')
    """
    return _signed(points_text(value))


def fine_points(value: float) -> str:
    """Return a change in hundredths of a point: models are compared at the size of a few images.

    Examples
    --------
    >>> fine_points(-1.3449), fine_points(-0.001)
    ('−1.34', '0.00')
    """
    return _signed(f"{steady(value):+.2f}")


def interval(low: float, high: float) -> str:
    """Return an interval of a change in points; a dash where it is not defined.

    Examples
    --------
    >>> interval(-3.14159, 2.0), interval(float("nan"), float("nan"))
    ('−3.1 to +2.0', '–')
    """
    return DASH if math.isnan(low) or math.isnan(high) else f"{points(low)} to {points(high)}"


def effect_size(value: float) -> str:
    """Return an effect size to the hundredth, without a plus sign.

    Examples
    --------
    >>> effect_size(1.4814), effect_size(-0.004), effect_size(float("-inf"))
    ('1.48', '0.00', '−∞')
    """
    return _signed(f"{value:.2f}".replace("inf", "∞"))


def p_value(p: float) -> str:
    """Return a p-value to two significant digits.

    Examples
    --------
    >>> p_value(0.0432), p_value(3.2e-7)
    ('0.043', '3.2e-7')
    """
    return p_text(p).replace("e-0", "e-")


def percent(value: float) -> str:
    r"""Return an accuracy in percent.

    Examples
    --------
    >>> percent(97.256)
    '97.3\xa0%'
    """
    return f"{steady(value):.1f}\N{NO-BREAK SPACE}%"


def fine_percent(value: float) -> str:
    r"""Return an accuracy in percent, to the hundredth.

    Examples
    --------
    >>> fine_percent(97.256)
    '97.26\xa0%'
    """
    return f"{value:.2f}\N{NO-BREAK SPACE}%"


def named(names: Sequence[str]) -> str:
    """Return names as in a sentence: the first, and how many others.

    Examples
    --------
    >>> named(["ant"]), named(["ant", "bee"]), named(["ant", "bee", "cat", "dog", "eel"])
    ('ant', 'ant and bee', 'ant, bee, cat and 2 more')
    """
    if len(names) > _NAMED:
        return abridged(names, _NAMED)
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def or_dash(value: float, write: Callable[[float], str]) -> str:
    """Return what ``write`` makes of a value, or a dash for NaN, as in the cell of a table.

    Examples
    --------
    >>> or_dash(2.0, points), or_dash(float("nan"), points)
    ('+2.0', '–')
    """
    return DASH if math.isnan(value) else write(value)


def shade(value: float) -> str:
    """Return the class of the heat scale: ``fall-5`` to ``fall-1``, ``level``, ``rise-1`` to ``rise-5``.

    Examples
    --------
    >>> shade(-57.6), shade(-0.4), shade(7.0), shade(float("nan"))
    ('fall-5', 'level', 'rise-2', 'level')
    """
    step = sum(abs(value) >= bound for bound in SHADE_STEPS)
    return f"{'fall' if value < 0 else 'rise'}-{step}" if step else "level"


def breakable(name: str) -> Markup:
    """Return a name, escaped, that may break after underscores, plus signs and colons.

    Examples
    --------
    >>> breakable("a_b<c")
    Markup('a_<wbr>b&lt;c')
    """
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[_+:])", name) if part)


def cut(name: str, width: int) -> str:
    """Return a name cut to the width of so many Latin letters, the last of which then is an ellipsis.

    Examples
    --------
    >>> cut("owl", 10), cut("great white shark", 10), cut("ホホジロザメ", 7)
    ('owl', 'great whi…', 'ホホジ…')
    """
    text = Text(name)
    text.truncate(width, overflow="ellipsis")
    return text.plain


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text on a terminal, broken between words alone: a path in two pieces cannot be copied."""
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def unbroken(text: str) -> Markup:
    """Return a text, escaped, with its options in one piece: browsers break a line at every hyphen.

    Examples
    --------
    >>> unbroken("a --so-and-so=<b> c")
    Markup('a <span class="whole">--so-and-so=&lt;b&gt;</span> c')
    """
    parts = re.split(r"((?<!\S)--\S+)", text)
    return Markup("").join(
        Markup('<span class="whole">{}</span>').format(part) if part.startswith("--") else part for part in parts
    )


def _signed(text: str) -> str:
    """Return a number's text with a typographic minus; a zero has no sign."""
    if text in ("+0.0", "-0.0", "+0.00", "-0.00"):
        return text[1:]
    return "not defined" if "nan" in text else text.replace("-", "−")


FILTERS: dict[str, Callable[..., str]] = {
    "points": points,
    "fine_points": fine_points,
    "percent": percent,
    "fine_percent": fine_percent,
    "grouped": grouped,
    "counted": counted,
    "shade": shade,
    "breakable": breakable,
    "unbroken": unbroken,
    "p": p_value,
    "interval": interval,
    "in_points": in_points,
}
