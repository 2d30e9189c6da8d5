"""Labelled images, and how their classes meet a model's outputs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class ClassLabel:
    """One class of a dataset: ``key`` as the data names it (a folder, a WordNet id), ``name`` as people do."""

    key: str
    name: str


class DataSource(Protocol):
    """Labelled images, read one at a time; picklable, because decoding happens in worker processes."""

    @property
    def name(self) -> str:
        """What the user asked for, e.g. ``folder:photos``."""

    @property
    def classes(self) -> Sequence[ClassLabel]:
        """The classes; a label is a position in this sequence."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of every image: int64 [N]."""

    @property
    def in_memory(self) -> bool:
        """Whether ``read`` is so cheap that decoding processes would not pay."""

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W]; raise `BadImageError` naming it where it cannot be read."""

    def describe(self, index: int) -> str:
        """Return what names the image to a user: its path, or ``digits[12]``."""

    def fingerprint(self, indices: NDArray[np.int64]) -> str:
        """Return the hash of the classes and of the content of the images at ``indices``."""


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The images that a run judges on: ``indices`` into ``source`` (int64 [N], ascending), ``labels`` (int64 [N])."""

    source: DataSource
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    fingerprint: str


MatchMethod = Literal[
    "wordnet id", "name", "name, Unicode-normalized", "name, case-folded", "first synonym", "number", "position"
]


@dataclasses.dataclass(frozen=True)
class ClassMatch:
    """How a dataset's classes meet a model's outputs.

    ``outputs[c]`` is the model output that stands for class ``c`` of the data (int64 [C]). ``method`` is the loosest
    that one of the classes needed.
    """

    method: MatchMethod
    outputs: tuple[int, ...]
