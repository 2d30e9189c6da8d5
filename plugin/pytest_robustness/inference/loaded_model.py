"""A model that is ready to be judged on the images of a run."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.core import ClassMatch, Model


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with its weights, whose outputs are matched to the classes of the data.

    ``pixels`` is the area of its canvas, which decides the batch size; ``assumed`` what of its set-up nothing gave;
    ``published`` says that code and weights are those of a released package, and ``files`` are those that its weights
    were read from, where that could be seen.
    """

    name: str
    model: Model
    match: ClassMatch
    pixels: int
    assumed: tuple[str, ...] = ()
    published: bool = False
    files: tuple[Path, ...] | None = None

    @functools.cached_property
    def outputs(self) -> NDArray[np.int64]:
        """The model output that stands for each class of the data: int64 [C]."""
        return np.array(self.match.outputs, np.int64)
