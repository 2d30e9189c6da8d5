"""The device that models and transforms run on, and how many images it can hold at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core.cores import usable_cores
from pytest_robustness.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pixels in a batch: enough to keep the device busy. On a CPU larger batches are slower: their buffers do not fit into
# the cache, and the operating system maps memory for each one again.
_PIXELS = {"cpu": 16 * 256 * 256, "mps": 64 * 256 * 256, "cuda": 256 * 256 * 256}
# The most memory that a pixel takes on a GPU: 64 channels of fp32 into a layer and out of it, as in VGG, and the same
# again for the convolution's workspace and for what the allocator keeps.
_BYTES_PER_PIXEL = 2 * 2 * 64 * 4


def resolve_device(name: str, process: int = 0) -> torch.device:
    """Return the device called ``name``; ``auto`` is a CUDA device if there is one, else the CPU.

    Parameters
    ----------
    name
        The value of the option.
    process
        The number of this process among several, from 0: ``auto`` and ``cuda`` assign the CUDA devices in turn.

    Raises
    ------
    OptionError
        When this machine has no such device.
    """
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", process % torch.cuda.device_count())
    if name == "auto":
        return torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        present = f"{count} CUDA devices here. Name one of them, or cpu" if count else "no CUDA device here. Name cpu"
        raise OptionError(f"--robustness-device={name}: PyTorch finds {present}.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise OptionError("--robustness-device=mps: PyTorch finds no Metal device here. Name cpu.")
    return device


def pixels_at_once(device: torch.device) -> int:
    """Return how many pixels of canvases a batch on ``device`` may have; on a GPU it depends on the free memory."""
    if device.type != "cuda":
        return _PIXELS[device.type]
    free, _ = torch.cuda.mem_get_info(device)
    return min(_PIXELS["cuda"], free // _BYTES_PER_PIXEL)


def equal_batches(images: int, most: int) -> int:
    """Return the batch size that divides ``images`` into the fewest batches of at most ``most``, as equal as possible.

    A compiled model computes whole batches only: for 512 images in batches of 455 it would compute 910, in batches of
    256 it computes 512.
    """
    return -(-images // -(-images // most))


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy ``tensor`` from the host to ``device``; to CUDA from page-locked memory, so that the host does not wait."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextlib.contextmanager
def current(device: torch.device) -> Iterator[None]:
    """Make ``device`` the one that code gets which names no number, on CUDA: that of models, transforms and libraries.

    Else all processes of a machine would put what such code makes on the first GPU, and its kernels would not find the
    images there.
    """
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        yield


class HostCopy:
    """The copy of a tensor on the host, which CUDA makes while both go on; other devices have made it when this ends.

    Parameters
    ----------
    tensor
        On any device.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._copied: torch.cuda.Event | None = None
        if not tensor.is_cuda:
            self._host = tensor.cpu()
            return
        self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        # On the stream that copies. By itself an event is recorded on the first GPU's, which has nothing to do with the
        # copy from another: it would say that the copy is there while the memory still holds what was in it before.
        self._copied.record(torch.cuda.current_stream(tensor.device))

    @property
    def ready(self) -> bool:
        """Whether it is there, so that nothing waits for the device."""
        return self._copied is None or bool(self._copied.query())  # type: ignore[no-untyped-call]

    def tensor(self) -> torch.Tensor:
        """Return it, once it is there."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._host


def works_ahead(device: torch.device) -> bool:
    """Return whether ``device`` computes while the host goes on, so that it is idle after the host has waited."""
    return device.type == "cuda"


@contextlib.contextmanager
def cores_shared(processes: int) -> Iterator[None]:
    """Limit PyTorch to this process's share of the cores, one of ``processes``; restore the number at the end.

    Processes that each start as many threads as there are cores slow one another down many times over, and PyTorch
    counts those of the machine, whatever the limit of a container.
    """
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(max(1, min(threads, usable_cores()) // processes))
        yield
    finally:
        torch.set_num_threads(threads)
