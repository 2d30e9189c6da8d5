"""Images in memory, as one array."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.data.identity import as_array, of_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel
    from pytest_robustness.core.file_hashes import FileHashes


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

    def key(self, index: int) -> str:
        """Return the index."""
        return str(index)

    def identities(self, indices: NDArray[np.int64], hashes: FileHashes) -> NDArray[np.void]:  # noqa: ARG002 (no file)
        """Return the hash of each image's pixels: V16 [n]."""
        return as_array(of_pixels(self.images[index]) for index in indices)
