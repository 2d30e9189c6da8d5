"""How a sweep computes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

# Images in a shard, where settings name no other number.
SHARD_SIZE = 512


@dataclasses.dataclass(frozen=True)
class SweepSettings:
    """How to compute, as opposed to what: of these only ``precision`` and ``seed`` change a result.

    ``processes`` is how many processes share the machine's cores. ``workers_asked`` says that somebody chose
    ``workers``: where there can be none, that is an error.
    """

    device: torch.device
    precision: str
    seed: int
    workers: int
    on_bad_image: Literal["error", "skip"]
    batch_size: int | None = None
    processes: int = 1
    workers_asked: bool = True
    shard_size: int = dataclasses.field(default_factory=lambda: SHARD_SIZE)
