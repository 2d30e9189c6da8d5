"""Imports of heavy packages, quicker."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Collect no garbage meanwhile, nor ever look again at what is there by then: what is imported is kept.

    Beside torch the collector has a million objects to look at, a third of a second each time: while they are made,
    whenever pytest or statsmodels calls it, and when Python ends. Together that is a third of a run that computes
    nothing.
    """
    enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > modules:
            gc.freeze()
        if enabled:
            gc.enable()
