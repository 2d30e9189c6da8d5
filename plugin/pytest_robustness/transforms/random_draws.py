"""Random numbers by image, which depend on its content and not on place, batch or device; and some for all images."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def uniforms(seed: int, name: str, identities: NDArray[np.void], k: int) -> NDArray[np.float64]:
    """Return ``k`` numbers for each image, uniform in [0, 1).

    SHAKE-128, a hash of any length, turns seed, name and identity into the bits. So an image draws the same whatever
    images are beside it, and whatever version of Python or numpy computes it.

    Parameters
    ----------
    seed
        The run's seed.
    name
        The transform's name: two transforms draw independently.
    identities
        The hashes of the images' content: V16 [B].
    k
        Numbers per image.

    Returns
    -------
    NDArray[np.float64]
        [B, k]; row ``b`` depends on ``(seed, name, identities[b])`` only.

    References
    ----------
    NIST FIPS 202, "SHA-3 Standard: Permutation-Based Hash and Extendable-Output Functions", 2015.
    """
    start = hashlib.shake_128(f"{seed}:{name}:".encode())
    rows = []
    for identity in identities.tolist():
        state = start.copy()
        state.update(identity)
        rows.append(state.digest(8 * k))
    bits = np.frombuffer(b"".join(rows), "<u8").reshape(len(identities), k)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shared_uniform(seed: int, name: str) -> float:
    """Return one number for all images, uniform in [0, 1); it depends on ``(seed, name)`` only."""
    # The hash of no image.
    return float(uniforms(seed, name, np.zeros(1, "V16"), 1)[0, 0])
