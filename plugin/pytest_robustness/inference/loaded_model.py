"""A model that is ready to be judged on the images of a run."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.inference.store_rows import targets_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.core import ClassMatch, Model


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with its weights, whose outputs are matched to the classes of the data.

    ``pixels`` is the area of its canvas, which decides the batch size; ``assumed`` what of its set-up nothing gave;
    ``published`` says that code and weights are those of a released package, and ``files`` are those that its weights
    were read from, where that could be seen. ``classes`` names the outputs where the images have no labels, which makes
    each output a class.
    """

    name: str
    model: Model
    match: ClassMatch
    pixels: int
    assumed: tuple[str, ...] = ()
    published: bool = False
    files: tuple[Path, ...] | None = None
    classes: tuple[str, ...] = ()

    @functools.cached_property
    def outputs(self) -> NDArray[np.int64]:
        """The model output that stands for each class of the data: int64 [C]."""
        return np.array(self.match.outputs, np.int64)

    def targets(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the output that stands for the class of each image, -1 for one without a label: int64 [n]."""
        return targets_of(self.outputs, labels)
