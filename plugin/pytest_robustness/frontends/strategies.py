"""Strategies of Hypothesis: conditions for tests of one's own, which shrink to the mildest one that breaks a model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import Condition
from pytest_robustness.core.errors import OptionError, RobustnessError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from pytest_robustness.transforms import Registry, Span

STEPS: Final = 1000
_log = logging.getLogger(__name__)


def conditions(
    *transforms: str, severity: int | None = None, registry: Registry | None = None
) -> SearchStrategy[Condition]:
    """Return a strategy that draws one of ``transforms`` at a magnitude.

    The magnitude is on a grid of 1,000 steps from the mildest one, which is drawn too, to the transform's last level.
    The mildest one changes nothing; but where no level is known that does, it is the first level, and at 0 of a chain
    the parts with a single level are applied all the same. A failing test shrinks to the mildest magnitude on the grid
    that it finds to fail, and among transforms to the first.

    Parameters
    ----------
    transforms
        Names and chains: ``rotation``, ``rotation+translate``. One with a single level, such as ``vflip`` or
        ``rotation:30``, is drawn as it is. None: all built-in ones that have levels.
    severity
        Go up to the level of that severity, and not to the last one.
    registry
        The known transforms; ``None``: the built-in ones.

    Raises
    ------
    OptionError
        A transform is not known, is a worst of k, or has no such severity.
    RobustnessError
        Hypothesis is not installed.

    Examples
    --------
    >>> import torch
    >>> from hypothesis import given
    >>> from pytest_robustness import transformed
    >>> @given(conditions("rotation", "zoom", severity=2))
    ... def test_the_size_stays(condition):
    ...     images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    ...     assert transformed(images, condition).shape == images.shape
    >>> test_the_size_stays()
    """
    try:
        from hypothesis import strategies as st
    except ImportError as error:
        _log.debug("Hypothesis cannot be imported", exc_info=True)
        raise RobustnessError(
            f"Strategies come with Hypothesis, which is not installed. Run: {pip_install('hypothesis')}"
        ) from error
    known = registry or builtin()
    names = transforms or tuple(item.name for item in known.describe() if item.severities and not item.on_request)
    return st.one_of([_of_one(name, severity, known) for name in names])


def _of_one(name: str, severity: int | None, known: Registry) -> SearchStrategy[Condition]:
    from hypothesis import strategies as st

    transform = known.get(name)
    if hasattr(transform, "variants"):
        raise OptionError(
            f"{name!r} is the worst of several draws, and which one that is depends on a model. Name the transform "
            f"inside of it."
        )
    if not transform.severities:
        # A number is drawn here too, and not used: Hypothesis takes what draws less for simpler, wherever it stands.
        return st.integers(0, STEPS).map(lambda _: Condition(transform.name))
    span = known.span(name, severity)
    steps = round(abs(span.extreme - span.neutral)) if span.whole else STEPS
    return st.integers(0, steps).map(lambda step: known.at(name, _magnitude(span, step, steps)))


def _magnitude(span: Span, step: int, steps: int) -> float:
    """Return the magnitude at a step of the grid, in few digits, because it becomes a name."""
    if step in (0, steps):  # exactly, so that no end lies outside of the span
        return span.at(step / steps if steps else 0)
    return float(f"{span.at(step / steps):.12g}")
