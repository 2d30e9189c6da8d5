"""The rows of the store as bytes: columns of small numbers, each row under a checksum of its content and key."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.core import UNLABELLED, Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDENTITY: Final = np.dtype("V16")
_TARGET: Final = np.dtype("<i4")
_HALF: Final = np.dtype("<f2")
_SMALL, _LARGE = np.dtype("<u2"), np.dtype("<u4")


class Block(NamedTuple):
    """Images that were computed together: their identities (V16 [n]) and the outputs of their classes (int32 [n]).

    The target of an image without a label is -1.
    """

    images: NDArray[np.void]
    targets: NDArray[np.int32]


def targets_of(outputs: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the output that stands for the class of each image (int64 [n]), -1 for an image without a label.

    Parameters
    ----------
    outputs
        The output of each class: int64 [C].
    labels
        The class of each image: int64 [n].
    """
    if not len(labels) or labels.min() >= 0:
        return outputs[labels]
    return np.where(labels < 0, UNLABELLED, outputs[np.maximum(labels, 0)])


def checksum(*parts: bytes) -> bytes:
    """Return 8 bytes of the SHA-256 of ``parts``; their lengths count, so that no byte can move between them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()[:8]


def pack_block(block: Block) -> tuple[bytes, bytes]:
    """Return both columns of a block as bytes."""
    return block.images.astype(IDENTITY).tobytes(), block.targets.astype(_TARGET).tobytes()


def unpack_block(images: bytes, targets: bytes) -> Block:
    """Return the block that `pack_block` was called on."""
    return Block(np.frombuffer(images, IDENTITY), np.frombuffer(targets, _TARGET).astype(np.int32))


def pack(predictions: Predictions) -> bytes:
    """Return predictions as bytes, 10 an image: whole numbers of 16 bits and logarithms of probabilities as halves.

    The logarithm is exact to 1 in 2,000 of itself, which tells 0.9999 from 0.99999; a half of the probability would
    not. A model with more than 65,536 outputs takes 14 bytes an image.
    """
    numbers = predictions.predicted, predictions.rank
    whole = _SMALL if max((int(column.max(initial=0)) for column in numbers), default=0) < 1 << 16 else _LARGE
    with np.errstate(divide="ignore", over="ignore"):
        halves = [
            np.log(column.astype(np.float64)).astype(_HALF).tobytes()
            for column in (predictions.confidence, predictions.runner_up, predictions.true_probability)
        ]
    return b"".join([*(column.astype(whole).tobytes() for column in numbers), *halves])


def unpack(content: bytes, images: int) -> Predictions:
    """Return the predictions of ``images`` images that `pack` was called on."""
    whole = _SMALL if len(content) == 10 * images else _LARGE
    split = 2 * images * whole.itemsize
    predicted, rank = np.frombuffer(content[:split], whole).reshape(2, images).astype(np.int32)
    confidence, runner_up, true = np.exp(np.frombuffer(content[split:], _HALF).reshape(3, images).astype(np.float32))
    return Predictions(predicted, confidence, true, runner_up, rank)
