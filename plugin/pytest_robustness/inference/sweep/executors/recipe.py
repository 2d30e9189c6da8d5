"""The recipe: all that an actor needs to compute what the driver would, on whatever machine it starts."""

from __future__ import annotations

import dataclasses
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.content.origin import Origin, origin
from pytest_robustness.core.errors import OptionError, TransformError, cause
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core.errors import BadImageError
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.store.store import Result
    from pytest_robustness.models import ModelZoo

_log = logging.getLogger(__name__)


class Images(NamedTuple):
    """The images of the run without their source: the fields of `Selection`. They lie in Ray's object store."""

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    identities: NDArray[np.void]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to compute, and how; actors open data, models and built-in transforms by their names.

    Parameters
    ----------
    run
        The unique name of the run.
    directory
        Where relative paths start: the current one of the driver. A node that has none of that name stays in its own.
    data, labelled
        As `data.open_source` takes them.
    outputs
        Which outputs of a model count.
    zoo
        Loads models.
    cells
        Those of the models that lack images: all conditions of each, because the choice of runtime goes by them.
    transforms
        Those of the user's own, pickled with their code.
    expected
        The facts that the driver has: see `ray_nodes`.
    images
        How many images the run has.
    device, precision, seed, runtime, workers, batch_size, shard_size, timeout, on_bad_image
        How to compute. ``device`` is the one that an actor gets.
    cores, actors
        The cores that an actor gets, and how many actors there are.
    """

    run: str
    directory: str
    data: str
    labelled: bool
    outputs: Literal["all", "data"]
    zoo: ModelZoo
    cells: tuple[Cell, ...]
    transforms: Mapping[Condition, bytes]
    expected: Mapping[str, str]
    device: str
    precision: str
    seed: int
    runtime: str
    workers: int | None
    batch_size: int | None
    shard_size: int
    timeout: float | None
    on_bad_image: Literal["error", "skip"]
    cores: int
    actors: int


class Part(NamedTuple):
    """Images of a shard that the same cells lack: ``positions`` in the selection, int64 [n]."""

    positions: NDArray[np.int64]
    cells: tuple[Cell, ...]


class Request(NamedTuple):
    """A shard to compute, ``start`` to ``stop`` of the selection, as its parts."""

    start: int
    stop: int
    parts: tuple[Part, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an actor made of a request.

    ``results`` go into the store. ``errors`` are the texts and tracebacks of cells that failed, ``unreadable`` the
    images that could not be read, by position, ``notes`` and ``warnings`` what the user should read, and ``images``
    how many are done.
    """

    results: Sequence[Result]
    errors: Mapping[Cell, tuple[str, str]]
    unreadable: Mapping[int, BadImageError]
    notes: Sequence[str]
    warnings: Sequence[str]
    images: int


def own_transforms(jobs: Iterable[Job]) -> dict[Condition, bytes]:
    """Return the transforms of ``jobs`` that a node does not know by their names, pickled with the user's code.

    Raises
    ------
    TransformError
        One cannot be pickled.
    """
    own = {job.condition: job.transform for job in jobs if job.condition != CONTROL and not _known(job)}
    return {condition: _pickled(condition, transform) for condition, transform in own.items()}


def _known(job: Job) -> bool:
    if job.transform is None:
        return True
    try:
        known = builtin().get(job.condition.transform)
        return known.key(job.condition.severity) == job.transform.key(job.condition.severity)
    except OptionError:
        _log.debug("%s is a transform of the user's own", job.condition, exc_info=True)
        return False


def _pickled(condition: Condition, transform: object) -> bytes:
    """Return a transform with all code that no node can import: that of the user's modules."""
    from ray import cloudpickle

    modules = [*map(_registered, _own_modules(cloudpickle.list_registry_pickle_by_value()))]
    try:
        return bytes(cloudpickle.dumps(transform))
    except Exception as error:
        raise TransformError(
            f"The transform {condition} cannot be sent to the nodes of a cluster: {cause(error)}. Let its function use "
            f"no open file, lock or session of its module, or compute with --robustness-executor=local."
        ) from error
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _registered(module: ModuleType) -> ModuleType:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    return module


def _own_modules(registered: Iterable[str]) -> list[ModuleType]:
    """Return the modules of the user's own code, without those that are pickled by value already."""
    return [
        module
        for name, module in list(sys.modules.items())
        if name not in {*registered, "__main__"} and _is_own(name, module)
    ]


def _is_own(name: str, module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and getattr(module, "__name__", "") == name and origin(name) is Origin.USER


def directory() -> str:
    """Return where relative paths start."""
    return str(Path.cwd())
