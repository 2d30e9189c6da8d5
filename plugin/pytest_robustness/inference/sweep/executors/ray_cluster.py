"""A cluster of Ray: connect to it quietly, find out which nodes it has, and what an actor gets of them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.cores import usable_cores
from pytest_robustness.core.errors import DisagreementError, OptionError, cause
from pytest_robustness.core.process import warnings_ignored
from pytest_robustness.inference.sweep.executors.ray_nodes import VERSION, cannot_text, difference_text
from pytest_robustness.inference.sweep.executors.ray_worker import node_text

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

_log = logging.getLogger(__name__)

# An actor holds every model, and a model gains little from more threads than these.
CORES: Final = 4
# The object store holds the list of images and the answers on their way, no image and no model.
_OBJECT_STORE_BYTES: Final = 200 * 2**20
# A node that starts its first process and imports nothing answers within seconds.
_PROBE_SECONDS: Final = 120.0
_QUIET: Final = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it warns of actors that outlive the driver; none does
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # on this machine alone: by itself Ray lets everything else go first
}


class Share(NamedTuple):
    """What an actor gets of its node, and how many actors the cluster has room for."""

    cores: int
    gpus: int
    actors: int


@contextlib.contextmanager
def connected(address: str | None) -> Generator[None]:
    """Connect to the cluster at ``address``, or start one on this machine that ends with the block.

    A connection that this process has already, made by the user's own code, is used and left open.

    Raises
    ------
    OptionError
        No cluster answers there.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    with _quiet():
        try:
            _connect(address)
        except Exception as error:
            _log.debug("Ray cannot be used", exc_info=True)
            ray.shutdown()
            raise OptionError(_unreachable(address, error)) from error
        try:
            yield
        finally:
            ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    usual: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    if address is None:
        usual |= {"num_cpus": usable_cores(), "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    ray.init(address=address or "local", **usual)


def _unreachable(address: str | None, error: Exception) -> str:
    if address is None:
        return f"Ray could not start on this machine: {cause(error)}. Compute with --robustness-executor=local."
    return (
        f"--robustness-ray-address={address}: no cluster can be used there ({cause(error)}). Valid: auto, the "
        f"HOST:PORT of the cluster that this machine is a node of, or ray://HOST:PORT from any other. Without the "
        f"option Ray starts on this machine alone."
    )


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep Ray's messages, warnings and signal handlers from the rest of the process."""
    from ray._private import worker

    logger = logging.getLogger("ray")
    level, environment = logger.level, {name: os.environ.get(name) for name in _QUIET}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if main else None
    printing = getattr(worker, "print_to_stdstream", None)
    try:
        logger.setLevel(logging.CRITICAL)
        # Whatever log_to_driver says, it prints a line for each attempt to reach a node that is gone.
        worker.print_to_stdstream = lambda *_, **__: None
        os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
        with warnings_ignored():
            yield
    finally:
        logger.setLevel(level)
        worker.print_to_stdstream = printing
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def living_nodes() -> dict[str, Mapping[str, Any]]:
    """Return Ray's description of each node that is alive, by id."""
    import ray

    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def share(nodes: Sequence[Mapping[str, Any]], device: str) -> Share:
    """Return what an actor gets, so that all fit: a GPU and its part of the cores, or up to `CORES` cores.

    Parameters
    ----------
    nodes
        Ray's descriptions of the nodes.
    device
        As the option of that name: ``auto`` takes GPUs where there are any.

    Raises
    ------
    OptionError
        The cluster has no GPU and ``device`` asks for one, or no node has a core.
    """
    owned = [(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0))) for node in nodes]
    with_gpus = [(cores, gpus) for cores, gpus in owned if gpus]
    if device.startswith("cuda") and not with_gpus:
        raise OptionError(
            f"--robustness-device={device}: no node of the cluster has a GPU that Ray knows of. Name cpu."
        )
    if with_gpus and device.startswith(("auto", "cuda")):
        cores = max(1, min(cores // gpus for cores, gpus in with_gpus))
        return Share(cores, 1, sum(min(gpus, cores_of // cores) for cores_of, gpus in with_gpus))
    cores = min([CORES, *(cores for cores, _ in owned if cores)])
    actors = sum(owns // cores for owns, _ in owned)
    if not actors:
        raise OptionError("No node of the cluster has a core for --robustness-executor=ray: start one with num-cpus.")
    return Share(cores, 0, actors)


def require_versions(nodes: Mapping[str, Mapping[str, Any]], share_of_actor: Share) -> None:
    """Ask every node that has room for an actor which packages it has, and compare them with those here.

    The question travels by value: a node without this package answers too.

    Raises
    ------
    DisagreementError
        For the first node that has another version, or none; it names the node.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from pytest_robustness.inference.sweep.executors import ray_versions

    expected = ray_versions.versions(ray_versions.PACKAGES)
    ray.cloudpickle.register_pickle_by_value(ray_versions)
    try:
        asked = {
            node_id: ray.remote(ray_versions.versions)
            .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
            .remote(ray_versions.PACKAGES)
            for node_id, node in nodes.items()
            if _has_room(node, share_of_actor)
        }
    finally:
        ray.cloudpickle.unregister_pickle_by_value(ray_versions)
    for node_id, answer in asked.items():
        name = node_text(nodes[node_id]["NodeManagerAddress"], node_id)
        try:
            found = ray.get(answer, timeout=_PROBE_SECONDS)
        except Exception as error:
            _log.debug("%s does not answer", name, exc_info=True)
            raise DisagreementError(cannot_text(name, f"it does not answer ({cause(error)})")) from error
        for package, version in expected.items():
            if found[package] != version:
                raise DisagreementError(difference_text(name, f"{VERSION}{package}", found[package], version))


def _has_room(node: Mapping[str, Any], wanted: Share) -> bool:
    owned = node["Resources"]
    return bool(owned.get("CPU", 0) >= wanted.cores and owned.get("GPU", 0) >= wanted.gpus)
