"""Tell faults of the moment from faults of an image."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_Value = TypeVar("_Value")


def retried(action: Callable[[], _Value]) -> _Value:
    """Return what ``action`` returns; where memory runs short, try once more."""
    try:
        return action()
    except MemoryError:
        _log.debug("memory ran short; trying again", exc_info=True)
    gc.collect()
    return action()


def in_passing(error: BaseException) -> bool:
    """Return whether ``error`` may be gone the next time: no memory, no descriptor, a disk or a library that fails.

    Pillow raises `OSError` for damaged content too, but without a number.
    """
    if isinstance(error, MemoryError | ImportError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return True
    return "out of memory" in str(error).lower()
