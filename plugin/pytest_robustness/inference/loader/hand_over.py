"""Hand decoded images over from one process to another without sending them through a pipe.

A pool sends what its workers return through one pipe that they share, in pickles: half a thousand images of 256 x 256 a
second, far fewer than a GPU takes. On Linux the pixels are written to memory without a name instead, and only its file
descriptor is sent. The system frees it with the last process that has it, however that ends, and no limit of /dev/shm
applies, which containers set to 64 MB. Elsewhere, and where this is refused, the pixels are pickled.
"""

from __future__ import annotations

import logging
import mmap
import os
import sys
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

# Smaller arrays are sent sooner than a descriptor is.
_WORTHWHILE = 1 << 20


class Pixels:
    """Holds images, ``array`` uint8 [B, 3, h, w], and is cheap to send to another process."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self.array = array

    def __reduce__(self) -> tuple[Any, ...]:
        if sys.platform == "linux" and self.array.nbytes >= _WORTHWHILE:
            try:
                return _received, (_written(self.array), self.array.shape)
            except OSError:  # too many files are open, say, or a sandbox refuses it
                _log.debug("pixels are pickled, because memory cannot be shared", exc_info=True)
        return Pixels, (self.array,)


class _Descriptor(Protocol):
    """A file descriptor on its way to another process."""

    def detach(self) -> int:
        """Return it in the process that received it."""


def _written(array: NDArray[np.uint8]) -> _Descriptor:
    descriptor = os.memfd_create("robustness-pixels")
    try:
        left = np.ascontiguousarray(array).data.cast("B")
        while left:
            left = left[os.write(descriptor, left) :]
        sent: _Descriptor = DupFd(descriptor)
    finally:
        os.close(descriptor)
    return sent


def _received(sent: _Descriptor, shape: tuple[int, ...]) -> Pixels:
    descriptor = sent.detach()
    try:
        memory = mmap.mmap(descriptor, int(np.prod(shape)))
    finally:
        os.close(descriptor)
    return Pixels(np.frombuffer(memory, np.uint8).reshape(shape))  # the array keeps the memory, and frees it
