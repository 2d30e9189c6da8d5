"""The actor: holds the models on one node, and computes the shards that the driver sends.

Each actor opens the data and loads the models itself, then states what it has; it computes nothing unless that is what
the driver has. Where Ray starts it again, perhaps on another node, it does all of that again before it goes on.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.core.errors import DisagreementError, RobustnessError, cause
from pytest_robustness.core.process import limit_openmp_spin
from pytest_robustness.inference.sweep.executors.shard_computer import ShardComputer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.inference.sweep.executors.recipe import Answer, Images, Recipe, Request

_log = logging.getLogger(__name__)


class Ready(NamedTuple):
    """An actor that may compute: the ``node`` that it is on, in words, the node's id, its process and its device.

    ``problem`` says why it may not; empty where it may.
    """

    node: str
    node_id: str
    pid: int
    device: str
    problem: str


class ShardWorker:
    """Computes shards; an actor of Ray.

    Parameters
    ----------
    orders
        Holds one reference, to the recipe and the images of the run in Ray's object store: an actor that starts again
        asks for them again.
    """

    def __init__(self, orders: Sequence[Any]) -> None:
        import ray

        limit_openmp_spin()
        self._recipe: Recipe
        self._images: Images
        self._recipe, self._images = ray.get(orders[0])
        self._computer: ShardComputer | None = None

    def ready(self) -> Ready:
        """Open and load everything, and compare it with what the driver has."""
        node, node_id = _node()
        problem = ""
        try:
            self._computer = self._computer or ShardComputer(self._recipe, self._images, node)
        except DisagreementError as error:
            problem = str(error)
        device = "" if self._computer is None else str(self._computer.device)
        return Ready(node, node_id, os.getpid(), device, problem)

    def compute(self, request: Request) -> Answer:
        """Compute a shard.

        Raises
        ------
        RobustnessError
            When nothing more can be computed: a decoding process died, say.
        """
        if self._computer is None:  # Ray has started this actor again
            problem = self.ready().problem
            if self._computer is None:
                raise DisagreementError(problem)
        try:
            return self._computer.compute(request)
        except RobustnessError:
            raise
        except Exception as error:  # as text: a user's exception may not survive pickling
            _log.debug("a shard cannot be computed", exc_info=True)
            raise RobustnessError(cause(error)) from None

    def close(self) -> None:
        """Remove what this actor keeps in files: the run ends."""
        if self._computer is not None:
            self._computer.close()


def _node() -> tuple[str, str]:
    """Return the node of this actor, in words, and its id."""
    import ray

    node_id: str = ray.get_runtime_context().get_node_id()
    return node_text(ray.util.get_node_ip_address(), node_id), node_id


def node_text(address: str, node_id: str) -> str:
    """Return what names a node; several may have one address."""
    return f"node {address} ({node_id[:8]})"


def actor_class() -> Any:
    """Return the class that Ray makes actors of."""
    import ray

    return ray.remote(ShardWorker)
