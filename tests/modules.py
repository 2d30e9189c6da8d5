"""Modules that a test imports are forgotten when it ends."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def modules_forgotten(folder: Path) -> Iterator[None]:
    """Forget, in the end, the modules of ``folder`` that were imported meanwhile: others have the same names."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        places = getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())
        if any(place.startswith(str(folder)) for place in places):
            del sys.modules[name]
