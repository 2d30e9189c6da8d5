"""Say what the integers of a graph's input stand for, and so whether they are pixels or normalized values."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from pytest_robustness.core.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

_FLOATS: Final = ("float16", "float32", "float64")
_INTEGERS: Final = ("int8", "uint8")
# What networks take pixels as, besides all that begins at 0: the lowest and the highest number.
_OF_PIXELS: Final = ((-1.0, 1.0), (-0.5, 0.5), (-128.0, 127.0))
# Two ends are the same if they differ by no more than this share of the range: there are 255 steps, not 256.
_SAME: Final = 0.02


class Quantization(NamedTuple):
    """The real number that an integer ``q`` of a tensor represents: ``(q - zero) * scale``."""

    scale: float
    zero: float = 0.0

    def encode(self, real: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return the nearest integers that ``dtype`` can hold."""
        limits = torch.iinfo(dtype)
        return (real / self.scale + self.zero).round().clamp(limits.min, limits.max).to(dtype)

    def decode(self, quantized: torch.Tensor) -> torch.Tensor:
        """Return float32."""
        return (quantized.float() - self.zero) * self.scale


@dataclasses.dataclass(frozen=True)
class Port:
    """A graph's input or output: its shape (``None`` for any size), NumPy's name of its dtype, its quantization."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    quantization: Quantization | None = None

    @property
    def is_float(self) -> bool:
        """Whether it takes or gives floats, which stand for themselves."""
        return self.dtype in _FLOATS


class Normalization(NamedTuple):
    """A mean and a standard deviation, for pixel values in [0, 1]."""

    mean: float
    std: float


def input_quantization(path: Path, port: Port, *, normalized: bool) -> Quantization | None:
    """Return how real numbers are written for an input: ``None`` for floats, and where nothing says it.

    Raises
    ------
    ModelError
        Images cannot be given as its type, or it takes pixels where ``normalized`` says that the sidecar has a mean or
        a standard deviation.
    """
    if port.is_float:
        return None
    if port.dtype not in _INTEGERS:
        known = ", ".join(_FLOATS + _INTEGERS)
        raise ModelError(f"The input of {path} is {port.dtype}; images can be given as {known}.")
    require_scale(path, port)
    ends = _ends(port)
    if normalized and (ends is None or _begins_at_zero(*ends)):
        meaning = "without a scale" if ends is None else f"and stands for numbers from {ends[0]:.3g} to {ends[1]:.3g}"
        raise ModelError(
            f"The input of {path} is {port.dtype} {meaning}, so that it takes pixels, not normalized values. "
            f"Leave mean and std out of {path}.json."
        )
    return None if ends is None else port.quantization


def require_scale(path: Path, port: Port) -> None:
    """Raise `ModelError` where the integers of an input or an output are quantized by what is no positive number."""
    if port.quantization is not None and not 0 < port.quantization.scale < math.inf:
        raise ModelError(
            f"{path} quantizes {port.name} by the scale {port.quantization.scale:g}; it must be a positive number. "
            f"Quantize the network again, and look at the images that it is calibrated with."
        )


def of_pixels(port: Port) -> Normalization | None:
    """Return what an integer input makes of pixels as they are, where its scale says that it wants others.

    A calibration on normalized images leaves a range that no pixels have, such as -2.1 to 2.6. What is lost with the
    mean and the standard deviation is most like all pixels spread over that range. ``None`` stands for floats and for
    an input that takes pixels, by its range or because it has no scale.
    """
    ends = _ends(port)
    if ends is None or _begins_at_zero(*ends) or any(_same(ends, known) for known in _OF_PIXELS):
        return None
    low, high = ends
    return Normalization(-low / (high - low), 1 / (high - low))


def _ends(port: Port) -> tuple[float, float] | None:
    """Return the numbers that the lowest and the highest integer of an input stand for; ``None`` without a scale."""
    if port.quantization is None or port.dtype not in _INTEGERS:
        return None
    scale, zero = port.quantization
    limits = torch.iinfo(getattr(torch, port.dtype))
    return (limits.min - zero) * scale, (limits.max - zero) * scale


def _begins_at_zero(low: float, high: float) -> bool:
    return low >= -_SAME * (high - low)


def _same(ends: tuple[float, float], known: tuple[float, float]) -> bool:
    width = known[1] - known[0]
    return all(abs(one - other) <= _SAME * width for one, other in zip(ends, known, strict=True))
