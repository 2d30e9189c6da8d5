"""Modules that a test imports are forgotten when it ends, but for libraries that bear being imported once."""

from __future__ import annotations

import contextlib
import importlib
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
def modules_forgotten(folder: Path) -> Iterator[Callable[[], None]]:
    """Forget, in the end, the modules of ``folder`` that were imported meanwhile: others have the same names.

    Whoever wants that before calls what it yields.
    """
    before = set(sys.modules)

    def forget() -> None:
        for name in set(sys.modules) - before:
            known = getattr(sys.modules[name], "__dict__", {})  # a module may make up what it is asked for
            places = known.get("__file__") or "", *known.get("__path__", ())
            if any(place.startswith(str(folder)) for place in places):
                del sys.modules[name]
        importlib.invalidate_caches()

    try:
        yield forget
    finally:
        forget()
