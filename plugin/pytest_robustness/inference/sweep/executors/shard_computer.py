"""The work of an actor on its node: open and load everything, compare it with what the driver has, compute shards."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import CONTROL, Condition, Selection, Shard, bound
from pytest_robustness.core.cores import usable_cores
from pytest_robustness.core.errors import BadImageError, DisagreementError, RobustnessError, cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.core import Transform
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loader.loader import Portion
    from pytest_robustness.inference.store.store import Result
    from pytest_robustness.inference.sweep.batch_runner import BatchRunner
    from pytest_robustness.inference.sweep.executors.recipe import Answer, Images, Recipe, Request

_log = logging.getLogger(__name__)

# So often may actors of a run die on one node: where memory is short, they would start and die without end.
_MOST_DEATHS: Final = 8


class ShardComputer:
    """Data, models and transforms of one actor, ready to compute.

    Parameters
    ----------
    recipe, images
        What to compute, and how.
    node
        Where this is, in words.

    Raises
    ------
    DisagreementError
        They cannot be opened or loaded, or are not what the driver has.
    """

    def __init__(self, recipe: Recipe, images: Images, node: str) -> None:
        from pytest_robustness.inference.sweep.executors import ray_nodes
        from pytest_robustness.inference.sweep.executors.ray_versions import PACKAGES, versions

        self._recipe = recipe
        self._results: list[Result] = []
        self._notes: list[str] = []
        self._warnings: list[str] = []
        self._alone = False
        with contextlib.suppress(OSError):  # a node without this folder has Ray's working directory
            os.chdir(recipe.directory)
        found = {f"{ray_nodes.VERSION}{name}": version for name, version in versions(PACKAGES).items()}
        self._require(node, found)
        try:
            self._open(images, node)
        except DisagreementError:
            raise
        except Exception as error:
            _log.debug("%s cannot compute", node, exc_info=True)
            reason = str(error) if isinstance(error, RobustnessError) else cause(error)
            raise DisagreementError(ray_nodes.cannot_text(node, reason)) from None
        self._notes.clear()  # the driver has loaded the same, and said so
        self._warnings.clear()

    def _require(self, node: str, found: dict[str, str]) -> None:
        from pytest_robustness.inference.sweep.executors import ray_nodes

        problem = ray_nodes.lacking(node, found, self._recipe.expected)
        if problem:
            raise DisagreementError(problem)

    def _open(self, images: Images, node: str) -> None:
        from pytest_robustness import data
        from pytest_robustness.inference.device import resolve_device
        from pytest_robustness.inference.runtimes import choice
        from pytest_robustness.inference.sweep.executors import ray_nodes
        from pytest_robustness.inference.user_calls.calls import UserCalls
        from pytest_robustness.inference.user_calls.last_words import Diary

        recipe = self._recipe
        self.device = resolve_device(recipe.device)
        choice.require(recipe.runtime, self.device, recipe.precision)
        self._diary = Diary(Path(tempfile.gettempdir(), f"robustness-{recipe.run}"), recipe.run)
        _require_calm(self._diary.folder, recipe.actors)
        self._calls = UserCalls(
            self._notes.append, warn=self._warnings.append, timeout=recipe.timeout, diary=self._diary
        )
        with self._calls.call(recipe.data, "when it was opened"):
            source = data.open_source(recipe.data, labelled=recipe.labelled)
        self._require(node, ray_nodes.facts_of_source(source, images.indices))
        self._selection = Selection(source, *images)
        self._require(node, ray_nodes.content_here(source, self._selection))
        self._jobs = self._made_jobs()
        self._require(node, ray_nodes.facts_of_jobs(self._jobs))
        self._runner = self._made_runner()

    def _made_jobs(self) -> list[Job]:
        from pytest_robustness.inference.jobs import job
        from pytest_robustness.inference.loading.model_loading import load_model, open_model

        recipe = self._recipe
        names = dict.fromkeys(cell.model for cell in recipe.cells)
        opened = [open_model(name, recipe.zoo, self._calls) for name in names]
        load = (load_model(model, self._selection, self._calls, recipe.outputs) for model in opened)
        models = {loaded.name: loaded for loaded in load}
        transforms = {cell.condition: self._transform(cell.condition) for cell in recipe.cells}
        return [
            job(models[cell.model], cell.condition, transforms[cell.condition], recipe.seed, recipe.precision)
            for cell in recipe.cells
        ]

    def _transform(self, condition: Condition) -> Transform | None:
        import pickle

        from pytest_robustness.transforms import builtin

        if condition == CONTROL:
            return None
        pickled = self._recipe.transforms.get(condition)
        if pickled is not None:
            sent: Transform = pickle.loads(pickled)  # noqa: S301 (what the driver pickled)
            return sent
        return bound(builtin().get(condition.transform), self._selection)

    def _made_runner(self) -> BatchRunner:
        from pytest_robustness.inference.loader.loader import default_workers
        from pytest_robustness.inference.runtimes.choice import RuntimeChoice
        from pytest_robustness.inference.sweep.batch_runner import BatchRunner
        from pytest_robustness.inference.sweep.prepared_models import PreparedModels
        from pytest_robustness.inference.sweep.settings import SweepSettings
        from pytest_robustness.inference.sweep.unsaved import Unsaved

        recipe, selection, jobs = self._recipe, self._selection, self._jobs
        workers = recipe.workers
        if workers is None:
            sharing = max(1, usable_cores() // recipe.cores)
            workers = default_workers(self.device.type, len(selection.indices), len(jobs), sharing)
        self._settings = SweepSettings(
            device=self.device,
            precision=recipe.precision,
            seed=recipe.seed,
            workers=workers,
            workers_asked=recipe.workers is not None,
            on_bad_image=recipe.on_bad_image,
            batch_size=recipe.batch_size,
            shard_size=recipe.shard_size,
        )
        prepare = RuntimeChoice(recipe.runtime, self._notes.append).prepare
        models = PreparedModels(prepare, recipe.precision, jobs, len(selection.indices), self._calls)
        unsaved = Unsaved(self._results.extend, selection, models.engine)
        runner = BatchRunner(jobs, selection, models, unsaved, self._settings, self._calls, {})
        runner.prepare(jobs)
        return runner

    def compute(self, request: Request) -> Answer:
        """Compute a shard, as `LocalExecutor` does."""
        import torch

        from pytest_robustness.core.freed_memory import freed_memory_kept
        from pytest_robustness.inference.loader.loader import batches
        from pytest_robustness.inference.precision import fp32_products
        from pytest_robustness.inference.sweep.executors.recipe import Answer

        unreadable: dict[int, BadImageError] = {}
        done = 0
        loaded = batches(
            self._selection,
            self._portions(request),
            batch_size=self._runner.batch_size,
            workers=0 if self._alone else self._settings.workers,
            refused=None if self._settings.workers_asked else self._decode_here,
        )
        products = fp32_products(tf32=self._settings.precision == "tf32")
        with contextlib.closing(loaded), torch.inference_mode(), products, freed_memory_kept():
            for batch in loaded:
                unreadable |= batch.unreadable
                if unreadable and self._settings.on_bad_image == "error":
                    break  # the driver ends the run
                self._runner.run(batch)
                done += len(batch.positions) + len(batch.unreadable)
        self._runner.commit()
        errors = {cell: (str(text), getattr(text, "trace", "")) for cell, text in self._runner.errors.items()}
        answer = Answer([*self._results], errors, unreadable, [*self._notes], [*self._warnings], done)
        for sent in (self._results, self._notes, self._warnings):
            sent.clear()
        return answer

    def _decode_here(self, reason: str) -> None:
        from pytest_robustness.inference.loader.loader import decoded_here

        self._alone = True
        self._notes.append(decoded_here(reason))

    def _portions(self, request: Request) -> Iterator[Portion]:
        from pytest_robustness.inference.loader.loader import Portion

        by_cell = {job.cell: job for job in self._runner.without_errors(self._jobs)}
        for number, part in enumerate(request.parts, 1):
            jobs = tuple(by_cell[cell] for cell in part.cells if cell in by_cell)
            yield Portion(Shard(request.start, request.stop), part.positions, jobs, number == len(request.parts))

    def close(self) -> None:
        """Remove the files of last words."""
        self._diary.close()
        shutil.rmtree(self._diary.folder, ignore_errors=True)


def _require_calm(folder: Path, actors: int) -> None:
    """Raise `RobustnessError` where so many actors have died on this node that the next one would, too.

    Each leaves its last words in ``folder``.
    """
    left = len([*folder.glob("*.json")])
    if left >= actors + _MOST_DEATHS:
        raise RobustnessError(
            f"actors have died there {left - actors + 1} times or more. Memory may be short: use fewer models at once, "
            f"a smaller --robustness-batch-size, or start the node with fewer cores, which gives it fewer actors"
        )
