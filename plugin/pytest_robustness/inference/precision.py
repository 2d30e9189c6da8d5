"""Resolve the precision, the number format that models compute in, and configure PyTorch for it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.process import one_thread, warnings_ignored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


def resolve_precision(name: str, device: torch.device) -> str:
    """Return the precision called ``name``; ``auto`` is bf16 if ``device`` has instructions for it, else fp32.

    Raises
    ------
    OptionError
        For tf32 on another device than CUDA.
    """
    if name == "tf32" and device.type != "cuda":
        raise OptionError(f"--robustness-precision=tf32: only CUDA devices compute in it, not {device}. Choose fp32.")
    if name != "auto":
        return name
    return "bf16" if _computes_bf16(device) else "fp32"


def fp32_products(*, tf32: bool) -> AbstractContextManager[None]:
    """Make PyTorch multiply fp32 numbers in fp32, or in TF32; restore its settings when the block ends.

    PyTorch's default for convolutions on CUDA is TF32, and a user's module may have changed any of the settings. They
    are those of the process: another thread waits with such a block until this one ends.
    """
    return one_thread(_products(tf32))


@contextlib.contextmanager
def _products(tf32: bool) -> Iterator[None]:
    before = Products.read()
    try:
        (_TF32 if tf32 else _IEEE).apply()
        yield
    finally:
        try:
            before.apply()
        except BaseException:  # of a signal's handler, in the midst
            before.apply()
            raise


class Products(NamedTuple):
    """PyTorch's settings for products of fp32 numbers, in both of its APIs.

    ``kinds`` is the newer API, ``fp32_precision`` of each kind of operation. ``matmul`` and ``cudnn`` are the older
    API; ``None`` where reading it raises an error, because the two disagree.
    """

    # The newer API alone would not do: PyTorch itself still reads the older one, and raises an error where they
    # disagree: torch.backends.cudnn.flags, which models use, and inductor in some releases
    # (https://github.com/pytorch/pytorch/issues/166387).
    matmul: str | None
    cudnn: bool | None
    kinds: tuple[str, ...]

    @classmethod
    def read(cls) -> Products:
        """Return the settings as they are now."""
        matmul, cudnn = None, None
        with warnings_ignored():  # the older API is deprecated
            with contextlib.suppress(RuntimeError):
                matmul = torch.get_float32_matmul_precision()
            with contextlib.suppress(RuntimeError):
                cudnn = bool(torch.backends.cudnn.allow_tf32)
        return cls(matmul, cudnn, tuple(kind.fp32_precision for kind in _kinds()))

    def apply(self) -> None:
        """Set them."""
        with warnings_ignored():
            if self.matmul is not None:
                torch.set_float32_matmul_precision(self.matmul)
            if self.cudnn is not None:
                torch.backends.cudnn.allow_tf32 = self.cudnn
        # After the older API, which sets some of these as well.
        for kind, precision in zip(_kinds(), self.kinds, strict=True):
            kind.fp32_precision = precision


_IEEE = Products("highest", False, ("ieee",) * 6)
_TF32 = Products("high", True, ("tf32",) * 6)


def _kinds() -> tuple[Any, ...]:
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # PyTorch 2.9
        return False
    features = torch.cpu.get_capabilities()
    return bool(features.get("amx_bf16") or features.get("avx512_bf16"))
