"""Identify images by their content, and choose among them by what stays when the data grows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import IdentifiedSource
from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.core.hash_memory import DIGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource
    from pytest_robustness.core.file_hashes import FileHashes

UNREADABLE: Final = bytes(DIGEST_BYTES)


def identities(source: DataSource, indices: NDArray[np.int64], hashes: FileHashes) -> NDArray[np.void]:
    """Return the hash of each image's content (V16 [n]): as the source has it, else of the pixels, which are read."""
    if isinstance(source, IdentifiedSource):
        return source.identities(indices, hashes)
    return as_array(_of_pixels(source, int(index)) for index in indices)


def read_as(source: DataSource, index: int, identity: bytes) -> torch.Tensor:
    """Read an image that was hashed before, and see that it is the same still: answers are stored under its hash.

    A source that hashes its images in a way of its own, and does not verify them, is believed; so is any where the
    image had no hash.

    Raises
    ------
    BadImageError
        It cannot be read.
    DataError
        It is another image now.
    """
    if identity == UNREADABLE:
        return source.read(index)
    # By name, as this is asked of every image: ``isinstance`` with a protocol takes 20 µs.
    verified: Callable[[int, bytes], torch.Tensor] | None = getattr(source, "read_as", None)
    if verified is not None:
        return verified(index, identity)
    image = source.read(index)
    if not isinstance(source, IdentifiedSource) and of_pixels(image.numpy()) != identity:
        raise DataError(
            f"{source.describe(index)} gave other pixels than when the run began. Turn off what is random in the "
            f"dataset, such as augmentation; if its files have changed, run again. What was computed is kept."
        )
    return image


def keys(source: DataSource) -> list[bytes]:
    """Return what names each image within its class: [N]."""
    if isinstance(source, IdentifiedSource):
        return [source.key(index).encode("utf-8", "surrogateescape") for index in range(len(source.labels))]
    return [str(index).encode() for index in range(len(source.labels))]


def of_pixels(image: NDArray[np.uint8]) -> bytes:
    """Return the hash of an image's size and pixels (uint8 [3, H, W])."""
    digest = hashlib.sha256(f"{image.shape}".encode())
    digest.update(image.tobytes())
    return digest.digest()[:DIGEST_BYTES]


def as_array(digests: Iterable[bytes]) -> NDArray[np.void]:
    """Return hashes of 16 bytes as one array: V16 [n]."""
    import numpy as np

    return np.frombuffer(b"".join(digests), np.dtype((np.void, DIGEST_BYTES)))


def _of_pixels(source: DataSource, index: int) -> bytes:
    try:
        return of_pixels(source.read(index).numpy())
    except BadImageError:
        return UNREADABLE
