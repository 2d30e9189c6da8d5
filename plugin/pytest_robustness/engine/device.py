"""The device that models and transforms run on, and the number format that it computes in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

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
        raise OptionError(
            f"--robustness-device={name}: PyTorch finds {torch.cuda.device_count()} CUDA devices here. "
            f"Name one of them, or cpu."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise OptionError("--robustness-device=mps: PyTorch finds no Metal device here. Name cpu.")
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """Return the precision of that name; ``auto`` is bf16 where ``device`` has instructions for it, else fp32.

    Raises
    ------
    OptionError
        For tf32 anywhere but on CUDA, where alone it exists.
    """
    if name == "tf32" and device.type != "cuda":
        raise OptionError(f"--robustness-precision=tf32: only CUDA devices compute in it, not {device}. Choose fp32.")
    if name != "auto":
        return name
    return "bf16" if _computes_bf16(device) else "fp32"


def pixels_at_once(device: torch.device) -> int:
    """Return how many pixels of canvases a batch on ``device`` may hold: less where a GPU's free memory is small."""
    if device.type != "cuda":
        return _PIXELS[device.type]
    free, _ = torch.cuda.mem_get_info(device)
    return min(_PIXELS["cuda"], free // _BYTES_A_PIXEL)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy ``tensor`` from the host to ``device``; to CUDA from page-locked memory, so that the host need not wait."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@contextlib.contextmanager
def torch_settings(processes: int, *, tf32: bool) -> Iterator[None]:
    """Set what PyTorch has one of, and put it back: threads, and whether it may round what products of fp32 take.

    Processes that each start as many threads as there are cores slow one another down many times over. TF32 is what
    PyTorch uses in convolutions on CUDA unless told otherwise; a user's module may have asked for bf16 on the CPU.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // processes))
    try:
        with _fp32_products(tf32=tf32):
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _fp32_products(*, tf32: bool) -> Iterator[None]:
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    matmul_before, cudnn_before = _unless_mixed(torch.get_float32_matmul_precision), _unless_mixed(_cudnn_allows_tf32)
    formats: list[Any] = []  # from PyTorch 2.9 on, each kind of product has one of its own
    if hasattr(torch.backends, "fp32_precision"):
        formats = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn]
    before = [kind.fp32_precision for kind in formats]
    # Both ways to say it: PyTorch itself reads either, and refuses where they do not agree.
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    cudnn.allow_tf32 = tf32
    for kind in formats:
        kind.fp32_precision = "tf32" if tf32 else "ieee"
    try:
        yield
    finally:
        if matmul_before is not None:
            torch.set_float32_matmul_precision(matmul_before)
        if cudnn_before is not None:
            cudnn.allow_tf32 = cudnn_before
        for kind, precision in zip(formats, before, strict=True):
            kind.fp32_precision = precision


def _cudnn_allows_tf32() -> bool:
    return bool(torch.backends.cudnn.allow_tf32)


def _unless_mixed(read: Callable[[], T]) -> T | None:
    """Return what ``read`` does, and nothing where PyTorch refuses: its new way was used to say something else."""
    try:
        return read()
    except RuntimeError:
        return None


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # torch before 2.9
        return False
    features = torch.cpu.get_capabilities()
    return bool(features.get("amx_bf16") or features.get("avx512_bf16"))
