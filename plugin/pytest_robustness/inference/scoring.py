"""Scoring, as pure steps on the device: from logits to the predictions that the store keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_robustness.core import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Scores(NamedTuple):
    """The scores of each image of a batch, on the model's device.

    ``predicted`` and ``rank`` int32 [B], ``confidence``, ``true_probability`` and ``runner_up`` float32 [B],
    ``finite`` bool [B]: whether every logit of the image is finite.
    """

    predicted: torch.Tensor
    confidence: torch.Tensor
    true_probability: torch.Tensor
    runner_up: torch.Tensor
    rank: torch.Tensor
    finite: torch.Tensor


def score(logits: torch.Tensor, targets: torch.Tensor) -> Scores:
    """Score ``logits`` (float32 [B, K]) against the true outputs ``targets`` (int64 [B]), without a device sync.

    The target of an image without a label is -1: then the probability of the true class and its rank are 0.
    """
    probabilities = logits.softmax(dim=1)
    best, predicted = logits.max(dim=1)
    highest = probabilities.topk(min(2, logits.shape[1]), dim=1).values
    unlabelled = targets < 0
    at_target = targets.clamp(min=0)[:, None]
    true_logits = logits.gather(1, at_target)
    # Of equal logits the first counts as the higher one, as it does for the answer.
    tied_before = (logits == true_logits) & (torch.arange(logits.shape[1], device=logits.device) < at_target)
    return Scores(
        predicted=predicted.int(),
        confidence=highest[:, 0],
        true_probability=probabilities.gather(1, at_target)[:, 0].masked_fill(unlabelled, 0.0),
        runner_up=highest[:, 1] if highest.shape[1] > 1 else torch.zeros_like(best),
        rank=((logits > true_logits) | tied_before).sum(dim=1, dtype=torch.int32).masked_fill(unlabelled, 0),
        finite=logits.isfinite().all(dim=1),
    )


def worse(first: Scores, second: Scores) -> Scores:
    """Return, of two answers to each image, the worse: a wrong one before a right one, then the less probable truth.

    Of equal ones it is the first. An image is finite where both are.
    """
    right, also_right = first.rank == 0, second.rank == 0
    less = second.true_probability < first.true_probability
    replaced = (right & ~also_right) | ((right == also_right) & less)
    chosen = Scores(*(torch.where(replaced, after, before) for before, after in zip(first, second, strict=True)))
    return chosen._replace(finite=first.finite & second.finite)


def joined(batches: Sequence[Scores]) -> tuple[Predictions, NDArray[np.bool_]]:
    """Return the predictions of one batch after the other, and which of the images had finite logits: bool [n]."""
    predicted, confidence, true, runner_up, rank, finite = (
        torch.cat(parts).cpu().numpy() for parts in zip(*batches, strict=True)
    )
    return Predictions(predicted, confidence, true, runner_up, rank), finite
