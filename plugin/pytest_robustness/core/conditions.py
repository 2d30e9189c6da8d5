"""What a run is about: conditions, cells, panels, shards."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

# Raised when the way from canvas to stored prediction changes its results: older cells are then computed again.
PIPELINE_VERSION = 2


@dataclasses.dataclass(frozen=True, order=True)
class Condition:
    """One transform at one severity; ``severity`` is ``None`` for a transform with a single level."""

    transform: str
    severity: int | None = None

    def __str__(self) -> str:
        return self.transform if self.severity is None else f"{self.transform}-s{self.severity}"


CONTROL = Condition("control")


@dataclasses.dataclass(frozen=True, order=True)
class Cell:
    """One model under one condition, on the run's dataset."""

    model: str
    condition: Condition

    @property
    def models(self) -> tuple[str, ...]:
        """The one model, as a panel names its several."""
        return (self.model,)


@dataclasses.dataclass(frozen=True)
class Panel:
    """One condition with the models that a class test compares under it."""

    condition: Condition
    models: tuple[str, ...]


class Shard(NamedTuple):
    """A contiguous range of positions in the selection of images: the unit of work, of resume and of distribution."""

    start: int
    stop: int
