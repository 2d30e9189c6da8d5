"""Scoring, as pure steps on the device: from logits to the predictions that the store keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from pytest_robustness.core import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Scores(NamedTuple):
    """The scores of each image of a batch, on the model's device.

    ``predicted`` int32 [B], ``confidence`` and ``true_probability`` float32 [B], ``finite`` bool [B]: whether every
    logit of the image is finite.
    """

    predicted: torch.Tensor
    confidence: torch.Tensor
    true_probability: torch.Tensor
    finite: torch.Tensor


def score(logits: torch.Tensor, targets: torch.Tensor) -> Scores:
    """Score ``logits`` (float32 [B, K]) against the true outputs ``targets`` (int64 [B]), without a device sync."""
    probabilities = logits.softmax(dim=1)
    confidence, predicted = probabilities.max(dim=1)
    true_probability = probabilities.gather(1, targets[:, None])[:, 0]
    return Scores(predicted.int(), confidence, true_probability, logits.isfinite().all(dim=1))


def first_not_finite(batches: Sequence[Scores]) -> int | None:
    """Return the position, among all images of ``batches``, of the first with a logit that is NaN or infinite."""
    finite = torch.cat([scores.finite for scores in batches])
    return None if bool(finite.all()) else int((~finite).nonzero()[0, 0])


def collect(batches: Sequence[Scores], rows: NDArray[np.int64], images: int) -> Predictions:
    """Return the predictions of a shard of ``images`` images: the scores in their ``rows`` (int64 [n]).

    The other rows are of skipped images: -1 and NaN.
    """
    predicted = np.full(images, -1, np.int32)
    confidence = np.full(images, np.nan, np.float32)
    true_probability = np.full(images, np.nan, np.float32)
    if batches:
        predicted[rows] = torch.cat([scores.predicted for scores in batches]).cpu().numpy()
        confidence[rows] = torch.cat([scores.confidence for scores in batches]).cpu().numpy()
        true_probability[rows] = torch.cat([scores.true_probability for scores in batches]).cpu().numpy()
    return Predictions(predicted, confidence, true_probability)
