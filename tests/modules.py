"""Modules that a test imports are forgotten when it ends, but for libraries that bear being imported once."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from _pytest.pytester import SysModulesSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# What these load late registers itself with what they had loaded before, and fails where it is there already.
_REGISTERING = ("llvmlite", "numba", "onnx", "torch")


class Modules(SysModulesSnapshot):
    """The modules of this process as they are now, to put them back; what those libraries load meanwhile stays."""

    def __init__(self, preserve: Callable[[str], bool] | None = None) -> None:
        super().__init__(lambda name: name.partition(".")[0] in _REGISTERING or bool(preserve and preserve(name)))


@contextlib.contextmanager
def imports_forgotten() -> Iterator[None]:
    """Put the modules back, in the end, as they were."""
    before = Modules()
    try:
        yield
    finally:
        before.restore()


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
