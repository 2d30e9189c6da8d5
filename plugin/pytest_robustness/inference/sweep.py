"""The sweep: decode each image once, transform it once per canvas and condition, and run every model on the result."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_robustness.core import Cell, Progress, Runner, Selection, Shard, Workload
from pytest_robustness.inference.batch_runner import BatchRunner, SweepSettings
from pytest_robustness.inference.canary import Canary, Stale
from pytest_robustness.inference.device import cores_shared
from pytest_robustness.inference.loader import Portion, batches
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.prepared_models import PreparedModels
from pytest_robustness.inference.stored_cells import StoredCells
from pytest_robustness.inference.unreadable import UnreadableImages
from pytest_robustness.inference.unsaved import Unsaved
from pytest_robustness.inference.user_calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import Model
    from pytest_robustness.inference.claims import ShardClaims
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.store import Store


class Sweep:
    """Fills the store with every cell of ``jobs``; what is stored already is not computed again.

    A job that fails is left out from then on, with its message in ``errors``; the others go on. ``unreadable`` are the
    images that could not be read. What was computed stays in the store, however the sweep ends; where the process is
    killed, half a minute of work is lost at most. ``warnings`` are what a report should say of the store.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        *,
        store: Store,
        prepare: Callable[[str, Model, Workload], Runner],
        claims: ShardClaims,
        progress: Progress,
        settings: SweepSettings,
        calls: UserCalls | None = None,
    ) -> None:
        self._jobs = jobs
        self._selection = selection
        self._store = store
        self._claims = claims
        self._progress = progress
        self._settings = settings
        self._calls = calls or UserCalls(progress.note)
        models = PreparedModels(prepare, settings.precision, jobs, len(selection.indices), self._calls)
        unsaved = Unsaved(store, selection, models.engine)
        self._runner = BatchRunner(jobs, selection, models, unsaved, settings, self._calls)
        self._cells = StoredCells(store, selection.identities, selection.labels)
        self._distinct = _distinct(selection)
        self.warnings: list[str] = []
        self.unreadable = UnreadableImages(selection, store, settings.on_bad_image, progress.note)

    @property
    def errors(self) -> dict[Cell, str]:
        """Why cells could not be computed."""
        return self._runner.errors

    def run(self) -> None:
        """Compute what is missing, together with other processes that work on the same store.

        Raises
        ------
        BadImageError
            For a file that is no readable image, unless the settings say to skip it.
        StoreError
            When a finished shard cannot be committed.
        """
        self.unreadable.find()
        self._forget_stale()
        missing, lacking = self._missing()
        damaged, self._store.damaged = self._store.damaged, 0
        if damaged:
            self._warn(f"{damaged} results in the store were damaged, and are computed again")
        if not missing:
            return
        self._announce(missing)
        self._runner.prepare(lacking)
        try:
            with cores_shared(self._settings.processes), fp32_products(tf32=self._settings.precision == "tf32"):
                while missing:
                    if not self._pass(missing, lacking):
                        self._claims.wait()
                    missing, lacking = self._missing()
        finally:
            self._claims.close()
            self._progress.stop()

    def _forget_stale(self) -> None:
        """Remove stored answers that no longer hold, with a note of what showed it."""
        settings = self._settings
        canary = Canary(
            self._selection,
            self._cells,
            self._store.read,
            device=settings.device,
            seed=settings.seed,
            calls=self._calls,
        )
        by_model: dict[str, list[Stale]] = {}
        for stale in canary.stale(self._jobs, self.unreadable.readable):
            by_model.setdefault(stale.job.loaded.name, []).append(stale)
            self._store.forget(self._store.read(stale.job.key))
            self._cells.forget(stale.job.key)
        for model, found in by_model.items():
            conditions = ", ".join(str(stale.job.condition) for stale in found)
            self._warn(
                f"stored answers of {model} no longer hold and are computed again ({conditions}): {found[0].text}"
            )

    def _warn(self, text: str) -> None:
        self._progress.note(text)
        self.warnings.append(text)

    def _announce(self, missing: Sequence[Shard]) -> None:
        """Show how much there is to do, here and to other processes."""
        images = predictions = 0
        for shard in missing:
            lacks = self._lacks(shard, self._runner.without_errors(self._jobs))
            images += int(lacks.any(axis=0).sum())
            predictions += int(lacks.sum())
        self._store.announce(len(self._jobs), predictions)
        self._progress.start(images, len(self._jobs))

    def _missing(self) -> tuple[list[Shard], list[Job]]:
        """Return the shards that some job lacks images of, and the jobs that lack some."""
        jobs = self._runner.without_errors(self._jobs)
        self._update(jobs)
        every = _shards(len(self._selection.indices), self._settings.shard_size)
        lacks = {shard: self._lacks(shard, jobs) for shard in every}
        missing = [shard for shard in every if lacks[shard].any()]
        lacking = [job for place, job in enumerate(jobs) if any(lacks[shard][place].any() for shard in missing)]
        return missing, lacking

    def _update(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._cells.update(job.key, job.outputs)

    def _lacks(self, shard: Shard, jobs: Sequence[Job]) -> NDArray[np.bool_]:
        """Return which images of a shard each job lacks, of those that can be read: bool [jobs, images]."""
        part = slice(*shard)
        readable = self.unreadable.readable[part] & self._distinct[part]
        present = [self._cells.present(job.key, job.outputs, part) for job in jobs]
        return ~np.array(present, np.bool_).reshape(len(jobs), len(readable)) & readable

    def _pass(self, missing: Sequence[Shard], lacking: Sequence[Job]) -> int:
        """Compute those of ``missing`` that can be claimed, for the jobs ``lacking``; return how many there were."""
        loaded = batches(
            self._selection.source,
            self._selection.indices,
            self._claim(missing, lacking),
            batch_size=self._runner.batch_size,
            workers=self._settings.workers,
        )
        done = 0
        with contextlib.closing(loaded), torch.inference_mode():
            try:
                for batch in loaded:
                    self.unreadable.add(batch.unreadable)
                    self._runner.run(batch)
                    self._progress.advance(len(batch.positions) + len(batch.unreadable))
                    if batch.last and batch.portion.last:
                        self._runner.finish(functools.partial(self._claims.release, batch.portion.shard))
                        done += 1
            finally:  # also after an interrupt, say: what was computed is kept
                self._runner.commit()
        return done

    def _claim(self, shards: Sequence[Shard], jobs: Sequence[Job]) -> Iterator[Portion]:
        """Claim one shard after the other; yield its images by the jobs that lack them.

        Another process may have finished a shard since the store was read. While it is claimed here, none does.
        """
        for shard in self._claims.claim(shards):
            remaining = self._runner.without_errors(jobs)
            self._update(remaining)
            lacks = self._lacks(shard, remaining)
            patterns, which = np.unique(lacks, axis=1, return_inverse=True)
            wanted = [number for number in range(patterns.shape[1]) if patterns[:, number].any()]
            for number in wanted:
                positions = shard.start + np.flatnonzero(which.reshape(-1) == number)
                lacking = tuple(job for job, lack in zip(remaining, patterns[:, number], strict=True) if lack)
                yield Portion(shard, positions, lacking, last=number == wanted[-1])
            if not wanted:
                self._claims.release(shard)


def _distinct(selection: Selection) -> NDArray[np.bool_]:
    """Return which images are the first with their content and label, so that no copy is computed too: bool [N]."""
    first: dict[tuple[bytes, int], int] = {}
    for position, pair in enumerate(zip(selection.identities.tolist(), selection.labels.tolist(), strict=True)):
        first.setdefault(pair, position)
    distinct = np.zeros(len(selection.indices), np.bool_)
    distinct[list(first.values())] = True
    return distinct


def _shards(images: int, size: int) -> list[Shard]:
    return [Shard(start, min(start + size, images)) for start in range(0, images, size)]
