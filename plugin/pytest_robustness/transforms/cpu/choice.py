"""Where the kernels are used: on the CPU, if Numba is installed, and there is so much to do that loading it pays."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from types import ModuleType

_log = logging.getLogger(__name__)

# Pixels from which on kernels pay off: importing Numba takes half a second, and compiling, once a machine, some more.
# PyTorch's operations take about that for these, which are 2,048 canvases of 256 x 256.
WORTHWHILE: Final = 2**27


class KernelChoice:
    """Counts the pixels that are announced and changed, and loads the kernels when there are enough.

    Parameters
    ----------
    worthwhile
        How many pixels are enough.
    """

    def __init__(self, worthwhile: int = WORTHWHILE) -> None:
        self._worthwhile = worthwhile
        self._pixels = 0
        self._loaded: ModuleType | None = None
        self._looked = False

    def expect(self, pixels: int) -> None:
        """Announce that so many pixels will be changed: kernels that pay off for them are used from the start."""
        self._pixels += pixels

    def batches(self, images: torch.Tensor) -> ModuleType | None:
        """Return `cpu.batches`, if it should change ``images``; ``None`` if PyTorch should."""
        if images.device.type != "cpu" or images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
            return None
        self.expect(images.shape[0] * images.shape[2] * images.shape[3])
        if self._pixels < self._worthwhile or not images.numel():
            return None
        if not self._looked:
            self._looked = True
            self._loaded = _load()
        return self._loaded


def _load() -> ModuleType | None:
    """Import the kernels, which compiles them where that has not been done; ``None`` where PyTorch has to do."""
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        from pytest_robustness.transforms.cpu import batches
        from pytest_robustness.transforms.cpu.probe import agrees

        if agrees():
            return batches
        _log.debug("the kernels' pixels are not those of PyTorch's operations on this processor")
    except Exception:  # no folder to keep them in, a compiler that does not know the processor, a version of Numba
        _log.debug("the kernels cannot be compiled", exc_info=True)
    return None


CHOICE: Final = KernelChoice()
"""The choice of this process."""
