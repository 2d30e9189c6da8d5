"""Compute in this process, and share the shards with other processes that work on the same store."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import torch

from pytest_robustness.core.freed_memory import freed_memory_kept
from pytest_robustness.inference.device import cores_shared
from pytest_robustness.inference.loader.loader import batches, decoded_here
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.sweep.batch_runner import BatchRunner
from pytest_robustness.inference.sweep.prepared_models import PreparedModels
from pytest_robustness.inference.sweep.unsaved import Unsaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_robustness.core import Model, Runner, Shard, Workload
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loader.loader import Portion
    from pytest_robustness.inference.sweep.claims import ShardClaims
    from pytest_robustness.inference.sweep.work import Work


class LocalExecutor:
    """Computes in this process.

    Parameters
    ----------
    prepare
        Makes a model, with its name, ready for a workload.
    claims
        Divide the shards among the processes that share the store.
    """

    def __init__(self, prepare: Callable[[str, Model, Workload], Runner], claims: ShardClaims) -> None:
        self._prepare = prepare
        self._claims = claims
        self._alone = False

    def facts(self) -> dict[str, Any]:
        """Return nothing: the report names the device already."""
        return {}

    def compute(self, work: Work) -> None:
        """Compute what is missing; see `Executor`."""
        settings = work.settings
        models = PreparedModels(self._prepare, settings.precision, work.jobs, len(work.selection.indices), work.calls)
        unsaved = Unsaved(work.store.put, work.selection, models.engine)
        runner = BatchRunner(work.jobs, work.selection, models, unsaved, settings, work.calls, work.errors)
        runner.prepare(work.missing()[1])
        products = fp32_products(tf32=settings.precision == "tf32")
        with cores_shared(settings.processes), products, freed_memory_kept():
            work.finish(self._claims, lambda missing, lacking: self._pass(work, runner, missing, lacking))

    def _pass(self, work: Work, runner: BatchRunner, missing: Sequence[Shard], lacking: Sequence[Job]) -> int:
        """Compute those of ``missing`` that can be claimed, for the jobs ``lacking``; return how many there were."""
        loaded = batches(
            work.selection,
            self._portions(work, missing, lacking),
            batch_size=runner.batch_size,
            workers=0 if self._alone else work.settings.workers,
            refused=None if work.settings.workers_asked else functools.partial(self._decode_here, work),
        )
        done = 0
        with contextlib.closing(loaded), torch.inference_mode():
            try:
                for batch in loaded:
                    work.unreadable.add(batch.unreadable)
                    runner.run(batch)
                    work.progress.advance(len(batch.positions) + len(batch.unreadable))
                    if batch.last and batch.portion.last:
                        runner.finish(functools.partial(self._claims.release, batch.portion.shard))
                        done += 1
            finally:  # also after an interrupt, say: what was computed is kept
                runner.commit()
        return done

    def _decode_here(self, work: Work, reason: str) -> None:
        """Say, once, that there are no decoding processes."""
        self._alone = True
        work.calls.note(decoded_here(reason))

    def _portions(self, work: Work, shards: Sequence[Shard], jobs: Sequence[Job]) -> Iterator[Portion]:
        for _, portions in work.claimed(self._claims, shards, jobs):
            yield from portions
