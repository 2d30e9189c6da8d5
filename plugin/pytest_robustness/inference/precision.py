"""The number format that a device computes in, and what PyTorch has to be told so that it does."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextlib.contextmanager
def fp32_products(*, tf32: bool) -> Iterator[None]:
    """Have PyTorch compute products of fp32 in fp32, or rounded to TF32 first; put back what it was told before.

    TF32 is what it uses in convolutions on CUDA unless told otherwise, and a user's module may have told it anything.
    """
    before = _Products.read()
    (_TF32 if tf32 else _IEEE).apply()
    try:
        yield
    finally:
        before.apply()


class _Products(NamedTuple):
    """How PyTorch computes products of fp32, in both its ways to say it.

    ``matmul`` and ``cudnn`` are the older one, ``None`` where PyTorch refuses to tell because the newer, ``kinds``, was
    used to say something else. Both must agree: PyTorch itself reads either.
    """

    matmul: str | None
    cudnn: bool | None
    kinds: tuple[str, ...]

    @classmethod
    def read(cls) -> _Products:
        matmul, cudnn = None, None
        with warnings.catch_warnings(action="ignore"):  # of the older way
            with contextlib.suppress(RuntimeError):
                matmul = torch.get_float32_matmul_precision()
            with contextlib.suppress(RuntimeError):
                cudnn = bool(torch.backends.cudnn.allow_tf32)
        return cls(matmul, cudnn, tuple(kind.fp32_precision for kind in _kinds()))

    def apply(self) -> None:
        with warnings.catch_warnings(action="ignore"):
            if self.matmul is not None:
                torch.set_float32_matmul_precision(self.matmul)
            if self.cudnn is not None:
                torch.backends.cudnn.allow_tf32 = self.cudnn
        # After the older way, which sets some of these as well.
        for kind, precision in zip(_kinds(), self.kinds, strict=True):
            kind.fp32_precision = precision


_IEEE = _Products("highest", False, ("ieee",) * 6)
_TF32 = _Products("high", True, ("tf32",) * 6)


def _kinds() -> tuple[Any, ...]:
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # in PyTorch 2.9
        return False
    features = torch.cpu.get_capabilities()
    return bool(features.get("amx_bf16") or features.get("avx512_bf16"))
