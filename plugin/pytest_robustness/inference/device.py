"""The device that models and transforms run on, and how much it takes at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pixels in a batch: enough to keep the device busy. On a CPU larger batches are slower: their buffers fall out of the
# cache, and the system maps each anew.
_PIXELS = {"cpu": 16 * 256 * 256, "mps": 64 * 256 * 256, "cuda": 256 * 256 * 256}
# What a pixel takes on a GPU at most, in bytes: 64 channels of fp32 into a layer and out of it, as in VGG, and as much
# again for the convolution's work space and what the allocator keeps.
_BYTES_A_PIXEL = 2 * 2 * 64 * 4


def resolve_device(name: str, process: int = 0) -> torch.device:
    """Return the device of that name; ``auto`` is a CUDA device, else the CPU.

    Parameters
    ----------
    name
        As the option has it.
    process
        Which of several processes asks, from 0: ``auto`` and ``cuda`` give them the CUDA devices in turn.

    Raises
    ------
    OptionError
        When this machine does not have it.
    """
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", process % torch.cuda.device_count())
    if name == "auto":
        return torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        found = f"{count} CUDA devices here. Name one of them, or cpu" if count else "no CUDA device here. Name cpu"
        raise OptionError(f"--robustness-device={name}: PyTorch finds {found}.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise OptionError("--robustness-device=mps: PyTorch finds no Metal device here. Name cpu.")
    return device


def pixels_at_once(device: torch.device) -> int:
    """Return how many pixels of canvases a batch on ``device`` may hold: less where a GPU's free memory is small."""
    if device.type != "cuda":
        return _PIXELS[device.type]
    free, _ = torch.cuda.mem_get_info(device)
    return min(_PIXELS["cuda"], free // _BYTES_A_PIXEL)


def equal_batches(images: int, most: int) -> int:
    """Return the size of batches of ``images`` that are as few as ``most`` in one allows, and as equal as can be.

    A compiled model computes whole batches only: 512 images in batches of 455 would take it 910, in batches of 256 none
    too many.
    """
    return -(-images // -(-images // most))


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy ``tensor`` from the host to ``device``; to CUDA from page-locked memory, so that the host need not wait."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextlib.contextmanager
def cores_shared(processes: int) -> Iterator[None]:
    """Give PyTorch this process's share of the threads that it has, among ``processes`` like it, and put them back.

    Processes that each start as many threads as there are cores slow one another down many times over.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // processes))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
