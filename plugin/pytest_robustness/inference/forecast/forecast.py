"""What a run would compute, and how long that would take: the counts, the measured rates, and the arithmetic."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.core import Canvas, Cell, Condition

# Measured on a store of ImageNet's size (benchmarks/store.py): ten bytes of figures, and what pages leave empty.
_BYTES_PER_PREDICTION: Final = 10.7
# Identity and target of an image in its block, and its identity and label in the list of the run's images.
_BYTES_PER_IMAGE: Final = 20 + 24
# A row's own columns and its place in the index.
_BYTES_PER_ROW: Final = 90


class Group(NamedTuple):
    """What is transformed once for all models: the images on one canvas, under one condition."""

    canvas: Canvas
    condition: Condition


@dataclasses.dataclass(frozen=True)
class Lacking:
    """What the store lacks of a run.

    Parameters
    ----------
    images, shards
        How many images some cell lacks, which are decoded once, and how many shards have one of them.
    rows
        How many rows of the store will hold it: one for each shard and cell.
    groups
        How many images are transformed, by canvas and condition.
    predictions
        How many predictions each cell lacks.
    passes
        How many images each model will see: more than its predictions where the worst of several draws counts.
    """

    images: int = 0
    shards: int = 0
    rows: int = 0
    groups: Mapping[Group, int] = dataclasses.field(default_factory=dict)
    predictions: Mapping[Cell, int] = dataclasses.field(default_factory=dict)
    passes: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def all_predictions(self) -> int:
        """How many predictions the store lacks."""
        return sum(self.predictions.values())

    @property
    def stored_bytes(self) -> int:
        """How many bytes they will take in the store, about."""
        predictions, images = self.all_predictions, self.images
        return round(predictions * _BYTES_PER_PREDICTION + images * _BYTES_PER_IMAGE + self.rows * _BYTES_PER_ROW)


class Rate(NamedTuple):
    """Seconds that something takes once, when it is first done, and for each image."""

    once: float
    image: float

    def seconds(self, images: int) -> float:
        """Return the seconds for so many images."""
        return self.once + self.image * images if images else 0.0


@dataclasses.dataclass(frozen=True)
class Rates:
    """What the first batches took.

    Parameters
    ----------
    decoding
        Reading an image and laying it on every canvas, in one decoding process, or without any in this one; once: until
        the decoding processes run.
    groups
        Transforming and normalizing, by canvas and condition.
    models
        Each model, once: preparing it; scoring is counted with it.
    row
        Storing what a cell has of a shard.
    """

    decoding: Rate
    groups: Mapping[Group, Rate]
    models: Mapping[str, Rate]
    row: float


class Resources(NamedTuple):
    """What computes: processes that share the work, and each one's cores and decoding processes; the kind of device."""

    processes: int = 1
    cores: int = 1
    workers: int = 0
    device: str = "cpu"


class Seconds(NamedTuple):
    """The time that a sweep would take, by stage: of several processes, the time of the one that has most to do."""

    preparing: float = 0.0
    decoding: float = 0.0
    transforming: float = 0.0
    models: float = 0.0
    storing: float = 0.0

    @property
    def total(self) -> float:
        """All stages."""
        return sum(self)


def seconds(lacking: Lacking, rates: Rates, resources: Resources) -> Seconds:
    """Return the time that computing what is lacking would take.

    Every process prepares the models and divides the rest with the others, in whole shards. Decoding processes work
    beside the models: on a CPU they take their share of the cores, beside a GPU they cost time only where they cannot
    keep up.
    """
    if not lacking.shards:
        return Seconds()
    share = -(-lacking.shards // resources.processes) / lacking.shards
    once = [rates.models[name].once for name in lacking.passes if name in rates.models]
    once += [rates.groups[group].once for group in lacking.groups if group in rates.groups]
    transforming = sum(rate.image * lacking.groups.get(group, 0) for group, rate in rates.groups.items())
    models = sum(rate.image * lacking.passes.get(name, 0) for name, rate in rates.models.items())
    storing = rates.row * lacking.rows
    decoding = _beside(rates.decoding.image * lacking.images, transforming + models, resources)
    return Seconds(
        sum(once) + rates.decoding.once, share * decoding, share * transforming, share * models, share * storing
    )


def _beside(decoding: float, computing: float, resources: Resources) -> float:
    """Return what decoding adds to the time of the rest."""
    if not resources.workers:
        return decoding
    if resources.device == "cpu":
        return decoding / resources.cores
    return max(0.0, decoding / resources.workers - computing)


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a run would do.

    Parameters
    ----------
    cells, images
        Those of the tests that were collected; images that cannot be read, or that are there twice, count once.
    stored, lacking
        How many predictions the store holds of these, and what it lacks.
    store_bytes
        The size of the store now.
    device, precision, runtime, executor, engines
        Where models run, the number format, the options of these names, and what ran each model that was timed.
    resources
        Processes, cores and decoding processes.
    rates, seconds
        What the first batches took, and what follows for the rest; ``None`` and nothing where nothing is lacking.
    loading
        Seconds that opening data and models took here, as it will in the run.
    errors
        Why cells cannot be computed.
    """

    cells: tuple[Cell, ...]
    images: int
    stored: int
    lacking: Lacking
    store_bytes: int
    device: str
    precision: str
    runtime: str
    executor: str
    resources: Resources
    engines: Mapping[str, str] = dataclasses.field(default_factory=dict)
    rates: Rates | None = None
    seconds: Seconds = dataclasses.field(default_factory=Seconds)
    loading: float = 0.0
    errors: Mapping[Cell, str] = dataclasses.field(default_factory=dict)
