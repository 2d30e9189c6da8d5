"""A model that no test asks twice: what it answered to a batch of inputs is kept on disk for every process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


class Remembering(nn.Module):
    """Answers as ``module`` does, and from ``folder`` where it has answered to the very same values before.

    Parameters
    ----------
    module
        Takes float [N, C, H, W]; its outputs, float [N, K], depend on nothing else.
    folder
        Where the outputs are kept, of this module alone.
    """

    def __init__(self, module: nn.Module, folder: Path) -> None:
        super().__init__()
        self.module = module
        self.folder = str(folder)
        folder.mkdir(parents=True, exist_ok=True)

    def forward(self, images: Tensor) -> Tensor:
        inputs = hashlib.blake2b(images.contiguous().numpy(), digest_size=16)
        inputs.update(repr(tuple(images.shape)).encode())
        path = Path(self.folder, f"{inputs.hexdigest()}.npy")
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}")
            with part.open("wb") as file:
                np.save(file, self.module(images).numpy())
            part.rename(path)
        return torch.from_numpy(np.load(path))
