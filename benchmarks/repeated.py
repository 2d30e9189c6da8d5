"""A data source of files that are used in turn, each time as an image of its own."""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.core import Selection
from pytest_robustness.data.identity import read_as

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource


@dataclasses.dataclass(frozen=True, eq=False)
class Repeated:
    """Gives the files of ``source``, whose contents have the hashes ``own`` (V16 [N]), whatever they are called here.

    Their content is verified as in a run, which takes its time.
    """

    source: DataSource
    own: NDArray[np.void]

    name = property(attrgetter("source.name"))
    classes = property(attrgetter("source.classes"))
    labels = property(attrgetter("source.labels"))
    in_memory = property(attrgetter("source.in_memory"))
    describe = property(attrgetter("source.describe"))
    read = property(attrgetter("source.read"))

    def read_as(self, index: int, identity: bytes) -> torch.Tensor:  # noqa: ARG002 (it is made up)
        """Return image ``index``, if its content has the hash that the file had."""
        return read_as(self.source, index, self.own[index].tobytes())


def in_turn(selection: Selection, count: int) -> Selection:
    """Return ``count`` images: the files of ``selection``, which are all of its source, as often as that takes."""
    source = selection.source
    repeated = source if isinstance(source, Repeated) else Repeated(source, selection.identities)
    indices = np.arange(count) % len(source.labels)
    identities = np.stack([np.arange(count), np.full(count, 1)], axis=1).astype("<u8").view("V16")[:, 0]
    return Selection(repeated, indices, source.labels[indices], identities)
