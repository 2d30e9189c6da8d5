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
    predicted = _first_highest(logits)
    confidence, runner_up = _two_highest(probabilities)
    unlabelled = targets < 0
    at_target = targets.clamp(min=0)[:, None]
    true_logits = logits.gather(1, at_target)
    return Scores(
        predicted=predicted.int(),
        confidence=confidence,
        true_probability=probabilities.gather(1, at_target)[:, 0].masked_fill(unlabelled, 0.0),
        runner_up=runner_up,
        rank=_rank(logits, true_logits, at_target).masked_fill(unlabelled, 0),
        # The extremes of a row are finite where all of it is: a NaN is its own maximum and minimum.
        finite=logits.amax(dim=1).isfinite() & logits.amin(dim=1).isfinite(),
    )


def _first_highest(logits: torch.Tensor) -> torch.Tensor:
    """Return the first of the highest logits of each image: int64 [B]."""
    if logits.device.type == "cpu":  # NumPy's search is ten times as fast as PyTorch's there
        return torch.from_numpy(logits.numpy().argmax(axis=1))
    return logits.argmax(dim=1)


def _two_highest(probabilities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the highest and the second highest probability of each image, which may be equal; of one output, 0.

    Taking the maximum twice is quicker than sorting.
    """
    place = _first_highest(probabilities)[:, None]
    highest = probabilities.gather(1, place)[:, 0]
    if probabilities.shape[1] == 1:
        return highest, torch.zeros_like(highest)
    return highest, probabilities.scatter(1, place, -1.0).amax(dim=1)


def _rank(logits: torch.Tensor, true_logits: torch.Tensor, at_target: torch.Tensor) -> torch.Tensor:
    """Return how many outputs come before the true one: int32 [B]."""
    higher = (logits > true_logits).sum(dim=1, dtype=torch.int32)
    tied = logits == true_logits
    if logits.device.type == "cpu" and not bool((tied.sum(dim=1, dtype=torch.int32) > 1).any()):
        return higher  # the usual case; on another device the host would have to wait for this to be known
    # Of equal logits the first counts as the higher one, as it does for the answer.
    before = torch.arange(logits.shape[1], device=logits.device) < at_target
    return higher + (tied & before).sum(dim=1, dtype=torch.int32)


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
    [result] = Fetched([batches]).results()
    return result


class Fetched:
    """Scores of many jobs on their way to the host, in one copy: each copy of its own would wait for the device.

    Parameters
    ----------
    jobs
        The batches of each job.
    """

    def __init__(self, jobs: Sequence[Sequence[Scores]]) -> None:
        self._sizes = [sum(len(scores.finite) for scores in batches) for batches in jobs]
        each = [scores for batches in jobs for scores in batches]
        columns = [torch.cat(column) for column in zip(*each, strict=True)]
        # As bytes, one column after the other; the narrowest is the last, so that all are aligned.
        self._types = [torch.empty(0, dtype=column.dtype).numpy().dtype for column in columns]
        flat = torch.cat([column.view(torch.uint8) for column in columns] or [torch.empty(0, dtype=torch.uint8)])
        self._copied: torch.cuda.Event | None = None
        self._host = flat
        if flat.is_cuda:
            self._host = torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True).copy_(flat, non_blocking=True)
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()
        elif flat.device.type != "cpu":
            self._host = flat.cpu()

    @property
    def ready(self) -> bool:
        """Whether the scores are on the host, so that nothing waits for the device."""
        return self._copied is None or bool(self._copied.query())  # type: ignore[no-untyped-call]

    def results(self) -> list[tuple[Predictions, NDArray[np.bool_]]]:
        """Return the predictions of each job, and which of its images had finite logits: bool [n]; waits for them."""
        if self._copied is not None:
            self._copied.synchronize()
        columns, end = [], 0
        for kind in self._types:
            start, end = end, end + kind.itemsize * sum(self._sizes)
            columns.append(self._host.numpy()[start:end].view(kind))
        found, stop = [], 0
        for size in self._sizes:
            stop += size
            # Copied: a view of a job's rows would keep those of all jobs in memory.
            predicted, confidence, true, runner_up, rank, finite = (
                column[stop - size : stop].copy() for column in columns
            )
            found.append((Predictions(predicted, confidence, true, runner_up, rank), finite))
        return found
