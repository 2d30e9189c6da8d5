"""Memory that PyTorch frees on the CPU: kept for the next layer, instead of handed back to the operating system."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# mallopt(3): the free bytes at the end of the heap above which they are handed back, and the size of a block from which
# on it is mapped by itself, and unmapped when it is freed.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 1 << 30
_CHOSEN: Final = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_"}
# As far as the library itself raises them, once blocks of such sizes were freed.
_USUAL: Final = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20}


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Have the GNU C library keep what is freed in the block, up to 1 GiB, and hand it back when the block ends.

    The buffers of a network's layers are tens of megabytes, and live for milliseconds. By itself the library hands each
    back, and the operating system maps and clears its pages again for the next layer: up to half of the time of a small
    network (docs/performance.md). Other C libraries, and one whose environment says how it allocates, stay as they are.
    """
    library = None if _set_by_user() else _gnu()
    if library is None:
        yield
        return
    mallopt, trim = library
    try:
        for threshold in _USUAL:
            mallopt(threshold, _KEPT)
        yield
    finally:
        for threshold, usual in _USUAL.items():
            mallopt(threshold, usual)
        trim(0)


def _set_by_user() -> bool:
    return "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or bool(_CHOSEN & os.environ.keys())


def _gnu() -> tuple[Callable[[int, int], int], Callable[[int], int]] | None:
    """Return ``mallopt`` and ``malloc_trim``; ``None`` without the GNU C library."""
    if not sys.platform.startswith("linux"):
        return None
    process = ctypes.CDLL(None)
    if not (hasattr(process, "mallopt") and hasattr(process, "malloc_trim")):
        return None
    return process.mallopt, process.malloc_trim
