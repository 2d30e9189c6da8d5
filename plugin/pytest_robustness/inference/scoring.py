"""Counting, as pure steps on the device: from logits to what the store keeps of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from pytest_robustness.core import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tally(NamedTuple):
    """Per image of a batch, on the model's device.

    ``predicted`` int32 [B], ``confidence`` and ``true_probability`` float32 [B], ``finite`` bool [B]: whether every
    logit of the image is a number.
    """

    predicted: torch.Tensor
    confidence: torch.Tensor
    true_probability: torch.Tensor
    finite: torch.Tensor


def tally(logits: torch.Tensor, targets: torch.Tensor) -> Tally:
    """Score ``logits`` (float32 [B, K]) against the true outputs ``targets`` (int64 [B]), without a wait."""
    probabilities = logits.softmax(dim=1)
    confidence, predicted = probabilities.max(dim=1)
    true_probability = probabilities.gather(1, targets[:, None])[:, 0]
    return Tally(predicted.int(), confidence, true_probability, logits.isfinite().all(dim=1))


def first_not_finite(tallies: list[Tally]) -> int | None:
    """Return the position, among all images of ``tallies``, of the first with a logit that is NaN or infinite."""
    finite = torch.cat([part.finite for part in tallies])
    return None if bool(finite.all()) else int((~finite).nonzero()[0, 0])


def collect(tallies: list[Tally], rows: NDArray[np.int64], images: int) -> Predictions:
    """Lay the ``tallies`` of a shard of ``images`` images into their ``rows`` (int64 [n]); the others were skipped."""
    predicted = np.full(images, -1, np.int32)
    confidence = np.full(images, np.nan, np.float32)
    true_probability = np.full(images, np.nan, np.float32)
    if tallies:
        predicted[rows] = torch.cat([part.predicted for part in tallies]).cpu().numpy()
        confidence[rows] = torch.cat([part.confidence for part in tallies]).cpu().numpy()
        true_probability[rows] = torch.cat([part.true_probability for part in tallies]).cpu().numpy()
    return Predictions(predicted, confidence, true_probability)
