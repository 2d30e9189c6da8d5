"""Environment variables around a call of a user's code: what it sets is undone, what packages set for themselves stays.

Many packages set variables while they are imported, of their own thread pools for example, and read them once. Which
of them a factory imports first is no fault of the factory, and undoing the setting could leave the package in disorder.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core.content.origin import Origin, origin_of_file
from pytest_robustness.core.text import abridged, printable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import FrameType

_MOST_NAMES: Final = 5
# Values by variable, which installed packages have set while they were imported.
_OF_PACKAGES: dict[str, str] = {}


@contextlib.contextmanager
def packages_noticed() -> Generator[None]:
    """Notice the variables that installed packages set while the block imports them, where these were not set before.

    ``os.environ`` sets a variable by ``os.putenv``, which is replaced meanwhile.
    """
    put = os.putenv

    def noticing(key: Any, value: Any, /) -> None:
        put(key, value)
        name = os.fsdecode(key)
        own = name not in os.environ or os.environ[name] == _OF_PACKAGES.get(name)
        if own and _by_an_import(sys._getframe(1)):
            _OF_PACKAGES[name] = os.fsdecode(value)

    os.putenv = noticing
    try:
        yield
    finally:
        os.putenv = put


def read() -> dict[str, str]:
    """Return the variables, but for those that still have the value that an installed package gave them."""
    return {name: value for name, value in os.environ.items() if _OF_PACKAGES.get(name) != value}


def restore(before: Mapping[str, str]) -> None:
    """Set the variables as they were when ``before`` was read; those of packages get the packages' values again."""
    kept = {name: value for name, value in _OF_PACKAGES.items() if name in os.environ} | dict(before)
    for name in os.environ.keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)


def changed_names(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Return the names of the variables that differ; their values may be secrets."""
    names = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    return abridged(names, _MOST_NAMES, printable)


def _by_an_import(frame: FrameType | None) -> bool:
    """Return whether an installed package sets the variable, in code that runs because it is imported."""
    own = {"os", "collections.abc", "_collections_abc", __name__}
    while frame is not None and frame.f_globals.get("__name__") in own:
        frame = frame.f_back
    if frame is None or origin_of_file(frame.f_code.co_filename) is not Origin.INSTALLED:
        return False
    while frame is not None and origin_of_file(frame.f_code.co_filename) is Origin.INSTALLED:
        if frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False
