"""The crew: the actors of a run. It keeps each of them busy; Ray places them, starts them again, and moves data.

An actor whose process dies is started again by Ray, which also sends it again what it worked on. Where its whole node
is gone, Ray may have no room for it: then the others compute its shards, and a new actor waits for room in its place.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core.errors import DisagreementError, RobustnessError, cause
from pytest_robustness.core.extras import pip_install
from pytest_robustness.inference.sweep.executors.ray_cluster import living_nodes
from pytest_robustness.inference.sweep.executors.ray_worker import Ready, actor_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_robustness.inference.sweep.executors.ray_cluster import Share
    from pytest_robustness.inference.sweep.executors.recipe import Answer, Request

_log = logging.getLogger(__name__)

# The shard that an actor works on, and the next: it need not wait for the driver.
_AHEAD: Final = 2
_LOOK_SECONDS: Final = 1.0
# As long may actors take to start after the first one has: a cluster may be busy with other work.
_START_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 5.0


class _Member:
    """An actor, and what it was sent: the request by the reference to its answer."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.starting: Any | None = actor.ready.remote()
        self.state: Ready | None = None
        self.sent: dict[Any, Request] = {}


class Crew:
    """The actors of a run.

    Parameters
    ----------
    orders
        A reference to the recipe and the images, as `ShardWorker` takes it.
    share
        What an actor gets of its node.
    size
        How many actors there are.
    note
        Shows a message to the user.
    """

    def __init__(self, orders: Any, share: Share, size: int, note: Callable[[str], None]) -> None:
        self._actors = actor_class().options(
            num_cpus=share.cores,
            num_gpus=share.gpus,
            # Without end, because Ray also counts an attempt to reach a node that is gone. Two deaths in one model's
            # code make an actor leave the model out, and one that starts again and again on a node gives up.
            max_restarts=-1,
            max_task_retries=-1,
            scheduling_strategy="SPREAD",
        )
        self._orders = orders
        self._note = note
        self._members = [self._new() for _ in range(size)]
        self._back: collections.deque[Request] = collections.deque()
        self._seen: dict[int, Ready] = {}
        self._looked = 0.0

    @property
    def members(self) -> list[Ready]:
        """The actors that took part, each where it was at last."""
        return list(self._seen.values())

    def start(self) -> None:
        """Wait until the actors have started, or most have and a cluster has no room for the others.

        Raises
        ------
        DisagreementError
            One would compute something else than the driver.
        """
        first, began, noted = None, time.monotonic(), False
        while any(member.starting is not None for member in self._members):
            self._join(self._wait([member.starting for member in self._members if member.starting is not None]))
            now = time.monotonic()
            if first is None and self._seen:
                first = now
            if first is not None and now - first > _START_SECONDS:
                return
            if not self._seen and now - began > _PATIENCE_SECONDS and not noted:
                self._note("waiting for Ray to start an actor: the cluster may be busy with other work")
                noted = True

    def answers(self, requests: Iterator[Request]) -> Iterator[tuple[Request, Answer]]:
        """Yield each request with its answer, in the order in which they come; few requests are taken ahead.

        Raises
        ------
        RobustnessError
            A request cannot be computed.
        """
        source = itertools.chain(_taken(self._back), requests)
        while True:
            exhausted = self._fill(source)
            references = [reference for member in self._members for reference in member.sent]
            if exhausted and not references and not self._back:
                return
            starting = [member.starting for member in self._members if member.starting is not None]
            done = self._wait([*references, *starting])
            self._join(done)
            for reference in done:
                yield from self._answered(reference)
            self._replace_stranded()
            if self._back:
                source = itertools.chain(_taken(self._back), source)

    def finished(self) -> Iterator[tuple[Request, Answer]]:
        """Yield what has been answered already, without waiting for the rest: the run is interrupted."""
        import ray

        references = [reference for member in self._members for reference in member.sent]
        done = ray.wait(references, num_returns=len(references), timeout=0)[0] if references else []
        for reference in done:
            with contextlib.suppress(RobustnessError):
                yield from self._answered(reference)

    def close(self, *, orderly: bool) -> None:
        """End the actors; in an ``orderly`` end each removes its files first."""
        import ray

        if orderly:
            closing = [member.actor.close.remote() for member in self._members if member.state is not None]
            if closing:
                ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_SECONDS)
        for member in self._members:
            ray.kill(member.actor)

    def _new(self) -> _Member:
        return _Member(self._actors.remote([self._orders]))

    def _wait(self, references: list[Any]) -> list[Any]:
        import ray

        done: list[Any] = ray.wait(references, num_returns=1, timeout=_LOOK_SECONDS)[0]
        return done

    def _join(self, done: list[Any]) -> None:
        """Let those take part whose start is among ``done``."""
        for member in self._members:
            if member.starting is None or member.starting not in done:
                continue
            member.state = _result(member.starting)
            if member.state.problem:
                raise DisagreementError(member.state.problem)
            member.starting = None
            self._seen[id(member)] = member.state

    def _fill(self, requests: Iterator[Request]) -> bool:
        """Send requests to the actors that have started, the next one to whoever has the least to do.

        Returns
        -------
        bool
            Whether there are no more.
        """
        ready = [member for member in self._members if member.starting is None]
        while ready:
            member = min(ready, key=lambda one: len(one.sent))
            if len(member.sent) >= _AHEAD:
                return False
            request = next(requests, None)
            if request is None:
                return True
            member.sent[member.actor.compute.remote(request)] = request
        return False

    def _answered(self, reference: Any) -> Iterator[tuple[Request, Answer]]:
        for member in self._members:
            if reference in member.sent:
                yield member.sent.pop(reference), _result(reference)

    def _replace_stranded(self) -> None:
        """Take back what was sent to actors whose nodes are gone; looked for once a second."""
        import ray

        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked, alive = now, living_nodes()
        for place, member in enumerate(self._members):
            if member.state is None or member.state.node_id in alive:
                continue
            self._note(f"Ray has lost {member.state.node}: the others compute what it was working on")
            self._back.extend(member.sent.values())
            ray.kill(member.actor)
            self._members[place] = self._new()


def _taken(back: collections.deque[Request]) -> Iterator[Request]:
    while back:
        yield back.popleft()


def _result(reference: Any) -> Any:
    """Return what an actor returned.

    Raises
    ------
    RobustnessError
        It raised an error, or died again and again.
    """
    import ray
    from ray.exceptions import RayActorError, RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        _log.debug("an actor of Ray failed", exc_info=True)
        inner = error.cause
        raise inner if isinstance(inner, RobustnessError) else RobustnessError(cause(inner)) from None
    except RayActorError as error:
        _log.debug("an actor of Ray is gone", exc_info=True)
        raise RobustnessError(
            f"An actor of Ray could not be started: {error}. This package must be installed on every node, with Ray: "
            f"{pip_install('ray')}. What was computed is in the store."
        ) from error
