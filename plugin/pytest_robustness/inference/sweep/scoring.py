"""Scoring, as pure steps on the device: from logits to the predictions that the store keeps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from pytest_robustness.core import Predictions
from pytest_robustness.inference.device import HostCopy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Scores(NamedTuple):
    """The scores of each image of a batch, on the model's device.

    ``predicted`` and ``rank`` int32 [B], ``confidence``, ``true_probability`` and ``runner_up`` float32 [B],
    ``finite`` bool [B]: whether the probabilities of the image are defined. They are where one of its logits is finite
    and none is NaN or infinite; minus infinity is the logit of an output that is ruled out.
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
    return _score_on_cpu(logits, targets) if logits.device.type == "cpu" else _score_on_device(logits, targets)


def _score_on_device(logits: torch.Tensor, targets: torch.Tensor) -> Scores:
    """Score as `score` does by operators of the device alone, for no value of which the host waits."""
    predicted, at_target = logits.argmax(dim=1), targets.clamp(min=0)[:, None]
    place, unlabelled = predicted[:, None], targets < 0
    probabilities = logits.softmax(dim=1)
    confidence, true_probability = probabilities.gather(1, place)[:, 0], probabilities.gather(1, at_target)[:, 0]
    # Of one output there is no second: then it is 0.
    runner_up = probabilities.scatter_(1, place, -1.0).amax(dim=1).clamp_(min=0.0)
    true_logits = logits.gather(1, at_target)
    higher = (logits > true_logits).sum(dim=1, dtype=torch.int32)
    before = torch.arange(logits.shape[1], device=logits.device) < at_target
    rank = higher + ((logits == true_logits) & before).sum(dim=1, dtype=torch.int32)
    return Scores(
        predicted=predicted.int(),
        confidence=confidence,
        true_probability=true_probability.masked_fill(unlabelled, 0.0),
        runner_up=runner_up,
        rank=rank.masked_fill(unlabelled, 0),
        # All probabilities of a row are NaN where one of its logits is NaN or infinite, or all are minus infinity.
        finite=confidence.isfinite(),
    )


# The logits of as many images at a time, and their probabilities, stay in the cache of a core from first to last.
_LOGITS_AT_A_TIME = 2**18


class _Room(threading.local):
    """Holds the probabilities of some images of a thread: memory that is taken anew for each batch is cleared first."""

    def __init__(self) -> None:
        self._numbers = np.empty(0, np.float32)

    def softmax(self, logits: NDArray[np.float32], highest: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of ``logits`` [B, K], until the next ones are asked for.

        ``highest`` [B] is the highest logit of each row. On this thread alone: PyTorch's own would divide some hundred
        thousand numbers among threads, and wait for one that other processes keep from its core.
        """
        if self._numbers.size < logits.size:
            self._numbers = np.empty(logits.size, np.float32)
        found = self._numbers[: logits.size].reshape(logits.shape)
        # NaN where no probabilities are defined; 0 where the logit is much lower; NumPy may be set to raise.
        with np.errstate(all="ignore"):
            np.subtract(logits, highest[:, None], out=found)
            np.exp(found, out=found)
            found /= found.sum(axis=1, keepdims=True)
        return found


_ROOM = _Room()


def _score_on_cpu(logits: torch.Tensor, targets: torch.Tensor) -> Scores:
    """Score as `score` does by NumPy, some images at a time, in two thirds of the time of PyTorch's operators."""
    images, step = len(logits), max(1, _LOGITS_AT_A_TIME // logits.shape[1])
    values, truths = logits.numpy(), targets.numpy()
    predicted, rank = np.empty(images, np.int32), np.zeros(images, np.int32)
    confidence, true_probability, runner_up = np.empty((3, images), np.float32)
    finite = np.empty(images, np.bool_)
    for start in range(0, images, step):
        part = slice(start, start + step)
        some, truth = values[part], truths[part]
        rows, highest = np.arange(len(some)), some.argmax(axis=1)
        probabilities = _ROOM.softmax(some, some[rows, highest])
        predicted[part] = highest
        confidence[part] = probabilities[rows, highest]
        true_probability[part] = probabilities[rows, truth]
        probabilities[rows, highest] = 0.0  # of one output there is no second: then it is 0
        runner_up[part] = probabilities.max(axis=1)
        # All probabilities of a row are NaN where one of its logits is NaN or infinite, or all are minus infinity.
        finite[part] = np.isfinite(confidence[part])
        wrong = np.flatnonzero(highest != truth)  # before the true output of a right answer comes none
        rank[start + wrong] = _ranks(some[wrong], truth[wrong])
    unlabelled = truths < 0
    true_probability[unlabelled], rank[unlabelled] = 0.0, 0
    columns = predicted, confidence, true_probability, runner_up, rank, finite
    return Scores(*(torch.from_numpy(column) for column in columns))


def _ranks(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many outputs come before each image's target (int64 [B]): the higher, and equal ones before it."""
    true_logits = logits[np.arange(len(logits)), targets][:, None]
    higher, no_lower = _count(logits > true_logits), _count(logits >= true_logits)
    tied = np.flatnonzero(no_lower - higher > 1)  # seldom
    if tied.size:
        before = np.arange(logits.shape[1]) < targets[tied, None]
        higher[tied] += _count((logits[tied] == true_logits[tied]) & before)
    return higher


def _count(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many of each row are marked, by a sum of bytes: a fifth of the time of counting booleans."""
    sums: NDArray[np.unsignedinteger[Any]]
    sums = marks.view(np.uint8).sum(axis=1, dtype=np.uint16 if marks.shape[1] < 2**16 else np.uint64)
    return sums.astype(np.int64)


def score_among(logits: torch.Tensor, targets: torch.Tensor, mask: NDArray[np.int64] | None) -> Scores:
    """Score as `score` does, as if the model had the outputs of ``mask`` alone; answers keep their numbers among all.

    Parameters
    ----------
    logits, targets
        As `score` takes them; each target is one of the outputs that remain.
    mask
        The outputs that remain, ascending: int64 [k]. ``None``: all.
    """
    if mask is None:
        return score(logits, targets)
    kept = torch.from_numpy(mask).to(logits.device)
    places = torch.searchsorted(kept, targets).masked_fill_(targets < 0, -1)
    scores = score(logits.index_select(1, kept), places)
    return scores._replace(predicted=kept[scores.predicted.long()].int())


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
        self._copy = HostCopy(flat)

    @property
    def ready(self) -> bool:
        """Whether the scores are on the host, so that nothing waits for the device."""
        return self._copy.ready

    def results(self) -> list[tuple[Predictions, NDArray[np.bool_]]]:
        """Return the predictions of each job, and which of its images had finite logits: bool [n]; waits for them."""
        host, columns, end = self._copy.tensor().numpy(), [], 0
        for kind in self._types:
            start, end = end, end + kind.itemsize * sum(self._sizes)
            columns.append(host[start:end].view(kind))
        found, stop = [], 0
        for size in self._sizes:
            stop += size
            # Copied: a view of a job's rows would keep those of all jobs in memory.
            predicted, confidence, true, runner_up, rank, finite = (
                column[stop - size : stop].copy() for column in columns
            )
            found.append((Predictions(predicted, confidence, true, runner_up, rank), finite))
        return found
