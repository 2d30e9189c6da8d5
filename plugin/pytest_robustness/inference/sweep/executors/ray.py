"""Compute on a cluster of Ray: actors hold the models, this process alone writes the store."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import ErrorText
from pytest_robustness.core.text import counted
from pytest_robustness.inference.sweep.executors import ray_nodes, recipe
from pytest_robustness.inference.sweep.executors.ray_cluster import connected, living_nodes, require_versions, share
from pytest_robustness.inference.sweep.executors.ray_crew import Crew
from pytest_robustness.inference.sweep.executors.ray_versions import PACKAGES, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.core import Shard
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.settings import InferenceSettings
    from pytest_robustness.inference.sweep.claims import ShardClaims
    from pytest_robustness.inference.sweep.executors.ray_cluster import Share
    from pytest_robustness.inference.sweep.executors.recipe import Answer, Recipe, Request
    from pytest_robustness.inference.sweep.work import Work
    from pytest_robustness.models import ModelZoo


class RayExecutor:
    """Sends shards to actors and commits what comes back.

    Parameters
    ----------
    settings
        Of the run.
    zoo
        Loads models, here and there.
    claims
        Keep other processes that share the store from the shards that are being computed.
    """

    def __init__(self, settings: InferenceSettings, zoo: ModelZoo, claims: ShardClaims) -> None:
        self._settings = settings
        self._zoo = zoo
        self._claims = claims
        self._facts: dict[str, Any] = {}
        self._said: set[str] = set()

    def facts(self) -> dict[str, Any]:
        """Return how many actors and nodes took part, and their devices."""
        return self._facts

    def compute(self, work: Work) -> None:
        """Compute what is missing; see `Executor`."""
        import ray

        missing, lacking = work.missing()
        with connected(self._settings.ray_address):
            nodes = living_nodes()
            of_actor = share(list(nodes.values()), self._settings.device)
            made = recipe_of(self._settings, self._zoo, work, lacking, of_actor)
            images = recipe.Images(work.selection.indices, work.selection.labels, work.selection.identities)
            orders = ray.put((made, images))
            crew = Crew(orders, of_actor, min(of_actor.actors, len(missing)), work.calls.note)
            orderly = False
            try:
                require_versions(nodes, of_actor)
                crew.start()
                work.finish(self._claims, functools.partial(self._pass, work, crew))
                orderly = True
            except BaseException:  # an interrupt, say: what has come back is kept
                for request, answer in crew.finished():
                    self._commit(work, request, answer)
                raise
            finally:
                crew.close(orderly=orderly)
                self._claims.close()
                self._facts = _facts(crew)

    def _pass(self, work: Work, crew: Crew, missing: Sequence[Shard], lacking: Sequence[Job]) -> int:
        done = 0
        for request, answer in crew.answers(self._requests(work, missing, lacking)):
            self._keep(work, request, answer)
            done += 1
        return done

    def _requests(self, work: Work, shards: Sequence[Shard], jobs: Sequence[Job]) -> Iterator[Request]:
        for shard, portions in work.claimed(self._claims, shards, jobs):
            parts = (recipe.Part(one.positions, tuple(job.cell for job in one.jobs)) for one in portions)
            yield recipe.Request(shard.start, shard.stop, tuple(parts))

    def _keep(self, work: Work, request: Request, answer: Answer) -> None:
        """Commit an answer, show what it says, and note what could not be read."""
        self._commit(work, request, answer)
        for text in answer.notes:
            self._once(work.calls.note, text)
        for text in answer.warnings:
            self._once(work.calls.warn, text)
        # Copies of one image are reported at each position; one sentence is enough.
        fresh = {place: error for place, error in answer.unreadable.items() if work.unreadable.readable[place]}
        work.unreadable.add(fresh)
        work.progress.advance(answer.images)

    def _commit(self, work: Work, request: Request, answer: Answer) -> None:
        from pytest_robustness.core import Shard

        for cell, (text, trace) in answer.errors.items():
            work.errors.setdefault(cell, ErrorText.with_trace(text, trace))
        failed = {job.key for job in work.jobs if job.cell in work.errors}
        results = [result for result in answer.results if result.key not in failed]
        if results:
            work.store.put(results)
        self._claims.release(Shard(request.start, request.stop))

    def _once(self, show: Any, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            show(text)


def recipe_of(
    settings: InferenceSettings, zoo: ModelZoo, work: Work, lacking: Sequence[Job], of_actor: Share
) -> Recipe:
    """Return what an actor needs to compute the jobs ``lacking``, with all other jobs of their models.

    Raises
    ------
    TransformError
        A transform of the user's own cannot be pickled.
    """
    selection, models = work.selection, {job.loaded for job in lacking}
    jobs = [job for job in work.jobs if job.loaded in models]
    expected = {f"{ray_nodes.VERSION}{name}": version for name, version in versions(PACKAGES).items()}
    expected |= ray_nodes.facts_of_source(selection.source, selection.indices)
    expected |= ray_nodes.fact_of_content(selection.identities[ray_nodes.compared(selection)])
    expected |= ray_nodes.facts_of_jobs(jobs)
    return recipe.Recipe(
        run=uuid.uuid4().hex,
        directory=recipe.directory(),
        data=settings.data,
        labelled=settings.labelled,
        outputs=settings.outputs,
        zoo=zoo.elsewhere(),
        cells=tuple(job.cell for job in jobs),
        transforms=recipe.own_transforms(jobs),
        expected=expected,
        device=_device(settings.device, of_actor),
        precision=work.settings.precision,
        seed=settings.seed,
        runtime=settings.runtime,
        workers=settings.workers,
        batch_size=settings.batch_size,
        shard_size=work.settings.shard_size,
        timeout=settings.timeout,
        on_bad_image=settings.on_bad_image,
        cores=of_actor.cores,
        actors=of_actor.actors,
    )


def _device(asked: str, of_actor: Share) -> str:
    """Return the device of an actor: Ray shows it no GPU but its own."""
    if of_actor.gpus:
        return "cuda"
    return "cpu" if asked == "auto" else asked


def _facts(crew: Crew) -> dict[str, Any]:
    members = crew.members
    if not members:
        return {}
    nodes, devices = {one.node_id for one in members}, sorted({one.device for one in members})
    actors = counted(len(members), "Ray actor")
    return {
        "device": ", ".join(devices),
        "executor": f"{actors} on {counted(len(nodes), 'node')}",
    }
