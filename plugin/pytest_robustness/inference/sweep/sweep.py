"""The sweep: find what the store lacks of the jobs of a run, and have an executor compute it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.process import ended_as_interrupted
from pytest_robustness.inference.device import current
from pytest_robustness.inference.sweep.canary import Canary
from pytest_robustness.inference.sweep.stale import Doubt, Stale
from pytest_robustness.inference.sweep.unreadable import UnreadableImages
from pytest_robustness.inference.sweep.work import Work
from pytest_robustness.inference.user_calls.calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Cell, Progress, Selection, Shard
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.inference.sweep.executors import Executor
    from pytest_robustness.inference.sweep.settings import SweepSettings

# Why other answers come under the same key.
_CAUSES: Final = (
    ". Either something changed that no key covers, or the code answers by chance: it draws random numbers, or "
    "remembers what it was asked before"
)


class Sweep:
    """Fills the store with every cell of ``jobs``; what is stored already is not computed again.

    A job that fails is left out from then on, with its message in ``errors``; the others go on. ``unreadable`` are the
    images that could not be read. What was computed stays in the store, however the sweep ends; where a process is
    killed, half a minute of its work is lost at most, and with Ray the shard of an actor. ``warnings`` are what a
    report should say of the store.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        selection: Selection,
        *,
        store: Store,
        executor: Executor,
        progress: Progress,
        settings: SweepSettings,
        calls: UserCalls | None = None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._progress = progress
        self.warnings: list[str] = []
        self.unreadable = UnreadableImages(selection, store, settings.on_bad_image, progress.note)
        self._work = Work(
            jobs,
            selection,
            store=store,
            unreadable=self.unreadable,
            progress=progress,
            settings=settings,
            calls=calls or UserCalls(progress.note),
        )

    @property
    def errors(self) -> dict[Cell, str]:
        """Why cells could not be computed."""
        return self._work.errors

    def run(self) -> bool:
        """Compute what is missing, together with other processes that work on the same store.

        Returns
        -------
        bool
            Whether anything was missing.

        Raises
        ------
        BadImageError
            For a file that is no readable image, unless the settings say to skip it.
        StoreError
            When a finished shard cannot be committed.
        DisagreementError
            When a node of a cluster would compute something else.
        """
        with ended_as_interrupted(), current(self._work.settings.device):
            return self._run()

    def _run(self) -> bool:
        self.unreadable.find()
        self._forget_stale()
        missing, _ = self._work.missing()
        damaged, self._store.damaged = self._store.damaged, 0
        if damaged:
            self._warn(f"{damaged} results in the store were damaged, and are computed again")
        if not missing:
            return False
        self._announce(missing)
        try:
            self._executor.compute(self._work)
        except KeyboardInterrupt:
            self._say_what_is_kept()
            raise
        finally:
            self._progress.stop()
        return True

    def _forget_stale(self) -> None:
        """Remove stored answers that no longer hold, of cells of other runs too, with a note of what showed it."""
        work = self._work
        canary = Canary(
            work.selection,
            work.cells,
            self._store.read,
            device=work.settings.device,
            seed=work.settings.seed,
            calls=work.calls,
        )
        by_model: dict[tuple[str, bool], list[Stale]] = {}
        found_stale = canary.stale(work.jobs, self.unreadable.readable)
        if not found_stale:
            return
        doubt = Doubt(found_stale)
        self._store.forget(doubt.covers)
        for job in work.jobs:
            if doubt.covers(job.key, job.description):
                work.cells.forget(job.key)
        for stale in found_stale:
            by_model.setdefault((stale.job.loaded.name, stale.checked), []).append(stale)
        for (model, checked), found in by_model.items():
            conditions = ", ".join(str(stale.job.condition) for stale in found)
            what = "no longer hold" if checked else "could not be checked"
            cause = _CAUSES if checked else ""
            self._warn(
                f"stored answers of {model} {what} and are computed again ({conditions}): {found[0].text}{cause}"
            )

    def _say_what_is_kept(self) -> None:
        images = len(self._work.selection.indices)
        with contextlib.suppress(RobustnessError):  # the interrupt stops the run, whatever else is wrong
            left, _ = self._work.amount(self._work.missing()[0])
            self._progress.note(
                f"interrupted: {images - left:,} of {images:,} images are kept; the same command goes on from there"
            )

    def _warn(self, text: str) -> None:
        self._progress.note(text)
        self.warnings.append(text)

    def _announce(self, missing: Sequence[Shard]) -> None:
        """Show how much there is to do, here and to other processes."""
        images, predictions = self._work.amount(missing)
        self._store.announce(len(self._work.jobs), predictions)
        self._progress.start(images, len(self._work.jobs))
