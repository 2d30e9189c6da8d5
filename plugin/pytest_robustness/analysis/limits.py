"""The levels and the margins that a test may have: what is valid, and the error for what is not."""

from __future__ import annotations

from typing import Final

from pytest_robustness.core.errors import OptionError

VALID_ALPHA: Final = "a number above 0 and below 1"
VALID_POINTS: Final = "points of accuracy above 0, up to 100"


def is_alpha(level: float) -> bool:
    """Return whether ``level`` is a level of a test: `VALID_ALPHA`."""
    return 0 < level < 1


def are_points(size: float) -> bool:
    """Return whether ``size`` is a size of a change of accuracy: `VALID_POINTS`."""
    return 0 < size <= 100


def require_alpha(alpha: float) -> None:
    """Refuse a level that no test has.

    Raises
    ------
    OptionError
        If ``alpha`` is not above 0 and below 1.
    """
    if not is_alpha(alpha):
        raise OptionError(f"alpha is {alpha:g}. Valid: {VALID_ALPHA}, such as 0.05.")


def require_points(name: str, points: float) -> None:
    """Refuse a margin or tolerance that no number of images could decide.

    Raises
    ------
    OptionError
        If ``points`` is not above 0 and at most 100.
    """
    if not are_points(points):
        raise OptionError(
            f"{name} is {points:g}. Valid: {VALID_POINTS}, such as 2.0; "
            "no number of images could rule out every change."
        )
