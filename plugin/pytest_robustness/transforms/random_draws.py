"""Random numbers by image: an image's numbers do not depend on its batch, shard, worker or device."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PER_STEP = 4  # 64-bit numbers that Philox generates for one counter value


def uniforms(seed: int, name: str, indices: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Return ``k`` numbers for each image, uniform in [0, 1).

    Philox is counter-based: image ``i`` has row ``i`` of an endless table, which can be generated from any row on. So
    nothing is cached, and the images of a growing dataset keep their numbers. Time and memory grow with
    ``max(indices) - min(indices)``: a batch of neighbours costs next to nothing, one that spans ImageNet less than
    a second.

    Parameters
    ----------
    seed
        The run's seed.
    name
        The transform's name: two transforms draw independently.
    indices
        The images' indices in the dataset, from 0: int64 [B].
    k
        Numbers per image.

    Returns
    -------
    NDArray[np.float64]
        [B, k]; row ``b`` depends on ``(seed, name, indices[b])`` only.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    if not len(indices):
        return np.empty((0, k))
    first, last = int(indices.min()), int(indices.max())
    steps = -(-k // _PER_STEP)
    key = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")
    stream = np.random.Philox(key=key, counter=first * steps)
    # Raw bits, because numpy keeps a bit generator's stream across versions, but not the numbers of Generator.
    bits: NDArray[np.uint64] = stream.random_raw((last - first + 1) * steps * _PER_STEP)
    rows = bits.reshape(-1, steps * _PER_STEP)[indices - first, :k]
    return (rows >> np.uint64(11)).astype(np.float64) * 2.0**-53
