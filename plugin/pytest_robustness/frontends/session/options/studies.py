"""Which studies the options ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies import ALL, PARITY, STUDIES
from pytest_robustness.core.errors import OptionError, unknown

if TYPE_CHECKING:
    from pytest_robustness.frontends.session.options.table import Options

_LISTING_SUSPECTS = ("turned_images", "label_errors")


def require_study(name: str) -> None:
    """Raise `OptionError` where there is no study called ``name``."""
    if name not in STUDIES:
        raise OptionError(unknown("study", name, STUDIES))


def asked_for(options: Options) -> tuple[str, ...]:
    """Return the studies that the options ask for.

    A number of suspects asks for the lists of suspects, a reference for parity with it.
    """
    named = STUDIES if ALL in options.studies else options.studies
    wanted = {*named, *(_LISTING_SUSPECTS if options.suspects is not None else ())}
    wanted |= {*((PARITY,) if options.reference is not None else ())}
    return tuple(name for name in STUDIES if name in wanted)
