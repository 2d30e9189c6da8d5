"""Images in memory, as one array."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.data.fingerprint import start_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel


@dataclasses.dataclass(frozen=True, eq=False)
class ArraySource:
    """A `DataSource` over uint8 RGB ``images`` [N, 3, H, W] with int64 ``labels`` [N]."""

    name: str
    classes: Sequence[ClassLabel]
    labels: NDArray[np.int64]
    images: NDArray[np.uint8]
    in_memory: bool = True

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index``: uint8 [3, H, W], a view of the array."""
        import torch

        return torch.from_numpy(self.images[index])

    def describe(self, index: int) -> str:
        """Return the dataset's name with the index: ``digits[12]``."""
        return f"{self.name.partition(':')[0]}[{index}]"

    def fingerprint(self, indices: NDArray[np.int64]) -> str:
        """Return the hash of the class keys, and of the labels and the pixels at ``indices``."""
        digest = start_hash(self.classes, self.labels[indices])
        digest.update(self.images[indices].tobytes())
        return digest.hexdigest()
