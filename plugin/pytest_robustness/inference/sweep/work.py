"""The work of a sweep: which images each job lacks still, and what whoever computes them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core import Cell, Progress, Selection, Shard
from pytest_robustness.inference.loader.loader import Portion
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.distinct_images import DistinctImages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.inference.sweep.claims import ShardClaims
    from pytest_robustness.inference.sweep.settings import SweepSettings
    from pytest_robustness.inference.sweep.unreadable import UnreadableImages
    from pytest_robustness.inference.user_calls.calls import UserCalls


class Work:
    """Knows what is missing; an executor computes it and puts it into the store.

    Attributes
    ----------
    errors
        Why cells could not be computed; whoever computes adds to them. A job that has one is left out from then on.

    Parameters
    ----------
    jobs, selection
        All jobs of the sweep, and the images of the run.
    store
        Holds what was computed.
    unreadable
        The images that cannot be read.
    progress
        Shows how far the sweep is.
    settings
        How to compute.
    calls
        Calls models and transforms; its note shows a message to the user.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        *,
        store: Store,
        unreadable: UnreadableImages,
        progress: Progress,
        settings: SweepSettings,
        calls: UserCalls,
    ) -> None:
        self.jobs = jobs
        self.selection = selection
        self.store = store
        self.unreadable = unreadable
        self.progress = progress
        self.settings = settings
        self.calls = calls
        self.errors: dict[Cell, str] = {}
        self.cells = StoredCells(store, selection.identities, selection.labels)
        self._distinct = _distinct(selection)

    def remaining(self, jobs: Sequence[Job]) -> list[Job]:
        """Return those of ``jobs`` that have not failed."""
        return [job for job in jobs if job.cell not in self.errors]

    def missing(self) -> tuple[list[Shard], list[Job]]:
        """Return the shards that some job lacks images of, and the jobs that lack some."""
        jobs = self.remaining(self.jobs)
        self._update(jobs)
        every = _shards(len(self.selection.indices), self.settings.shard_size)
        lacks = {shard: self._lacks(shard, jobs) for shard in every}
        missing = [shard for shard in every if lacks[shard].any()]
        lacking = [job for place, job in enumerate(jobs) if any(lacks[shard][place].any() for shard in missing)]
        return missing, lacking

    def lacks(self) -> Iterator[tuple[Shard, NDArray[np.bool_]]]:
        """Yield each shard that some job lacks images of, with those that each job lacks: bool [jobs, images]."""
        self._update(self.jobs)
        for shard in _shards(len(self.selection.indices), self.settings.shard_size):
            lacks = self._lacks(shard, self.jobs)
            if lacks.any():
                yield shard, lacks

    @property
    def distinct_images(self) -> int:
        """How many images a job predicts that has all: those that can be read, copies not counted."""
        return int((self.unreadable.readable & self._distinct).sum())

    def amount(self, shards: Sequence[Shard]) -> tuple[int, int]:
        """Return how many images of ``shards`` some job lacks, and how many predictions are missing."""
        jobs = self.remaining(self.jobs)
        images = predictions = 0
        for shard in shards:
            lacks = self._lacks(shard, jobs)
            images += int(lacks.any(axis=0).sum())
            predictions += int(lacks.sum())
        return images, predictions

    def portions(self, shard: Shard, jobs: Sequence[Job]) -> list[Portion]:
        """Return the images of ``shard`` by which of ``jobs`` lack them; none where another process finished it."""
        remaining = self.remaining(jobs)
        self._update(remaining)
        lacks = self._lacks(shard, remaining)
        if (lacks == lacks[:, :1]).all():  # the usual case, which need not be sorted
            patterns, which = lacks[:, :1], np.zeros(lacks.shape[1], np.int64)
        else:
            patterns, which = np.unique(lacks, axis=1, return_inverse=True)
        wanted = [number for number in range(patterns.shape[1]) if patterns[:, number].any()]
        made = []
        for number in wanted:
            positions = shard.start + np.flatnonzero(which.reshape(-1) == number)
            lacking = tuple(job for job, lack in zip(remaining, patterns[:, number], strict=True) if lack)
            made.append(Portion(shard, positions, lacking, last=number == wanted[-1]))
        return made

    def claimed(
        self, claims: ShardClaims, shards: Sequence[Shard], jobs: Sequence[Job]
    ) -> Iterator[tuple[Shard, list[Portion]]]:
        """Claim one of ``shards`` after the other, each when it is asked for; yield it with what ``jobs`` lack of it.

        Another process may have finished a shard since the store was read. While it is claimed here, none does.
        """
        for shard in claims.claim(shards):
            portions = self.portions(shard, jobs)
            if portions:
                yield shard, portions
            else:
                claims.release(shard)

    def finish(self, claims: ShardClaims, one_pass: Callable[[Sequence[Shard], Sequence[Job]], int]) -> None:
        """Compute all that is missing, together with other processes that work on the same store.

        Parameters
        ----------
        claims
            Divide the shards among these processes.
        one_pass
            Computes those shards that can be claimed, for the jobs that lack some; returns how many these were.
        """
        missing, lacking = self.missing()
        try:
            while missing:
                if not one_pass(missing, lacking):
                    claims.wait()
                missing, lacking = self.missing()
        finally:
            claims.close()

    def _update(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.cells.update(job.key, job.outputs)

    def _lacks(self, shard: Shard, jobs: Sequence[Job]) -> NDArray[np.bool_]:
        """Return which images of a shard each job lacks, of those that can be read: bool [jobs, images]."""
        part = slice(*shard)
        readable = self.unreadable.readable[part] & self._distinct[part]
        present = [self.cells.present(job.key, job.outputs, part) for job in jobs]
        return ~np.array(present, np.bool_).reshape(len(jobs), len(readable)) & readable


def _distinct(selection: Selection) -> NDArray[np.bool_]:
    """Return which images are the first with their content and label, so that no copy is computed too: bool [N]."""
    distinct = np.zeros(len(selection.indices), np.bool_)
    distinct[DistinctImages(selection.identities, selection.labels).first] = True
    return distinct


def _shards(images: int, size: int) -> list[Shard]:
    return [Shard(start, min(start + size, images)) for start in range(0, images, size)]
