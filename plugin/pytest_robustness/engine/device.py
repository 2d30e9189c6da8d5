"""The device that models and transforms run on."""

from __future__ import annotations

import torch

from pytest_robustness.errors import OptionError


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the first CUDA device, else the CPU.

    Raises
    ------
    OptionError
        When this machine does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f"--robustness-device {name}: PyTorch finds {torch.cuda.device_count()} CUDA devices here. "
            f"Name one of them, or cpu."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise OptionError("--robustness-device mps: PyTorch finds no Metal device here. Name cpu.")
    return device
