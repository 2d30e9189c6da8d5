"""A model that is ready to be judged on the images of a run."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_robustness.inference.store.rows import targets_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.core import ClassMatch, Model, Origin, Setting

OutputRule = Literal["all", "data"]
"""Which of a model's outputs its answers are among: all, or those of the classes of the data."""


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with its weights, whose outputs are matched to the classes of the data.

    ``pixels`` is the area of its canvas, which decides the batch size; ``assumed`` what of its set-up nothing gave;
    ``published`` says that code and weights are those of a released package, and ``files`` are those that decide which
    weights it has, where these are known. ``classes`` names the outputs where the images have no labels, which makes
    each output a class. ``output_count`` is how many outputs the model has; ``kept`` are those that its answers are
    among, ascending, and empty where they are all. ``origins`` says where its set-up comes from.
    """

    name: str
    model: Model
    match: ClassMatch
    pixels: int
    assumed: tuple[str, ...] = ()
    published: bool = False
    files: tuple[Path, ...] | None = None
    classes: tuple[str, ...] = ()
    output_count: int = 0
    kept: tuple[int, ...] = ()
    origins: Mapping[Setting, Origin] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def outputs(self) -> NDArray[np.int64]:
        """The model output that stands for each class of the data: int64 [C]."""
        return np.array(self.match.outputs, np.int64)

    @functools.cached_property
    def mask(self) -> NDArray[np.int64] | None:
        """The outputs that answers are among: int64 [k], ascending; ``None`` where they are all."""
        return np.array(self.kept, np.int64) if self.kept else None

    def targets(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the output that stands for the class of each image, -1 for one without a label: int64 [n]."""
        return targets_of(self.outputs, labels)


def kept_outputs(outputs: Sequence[int], count: int, rule: OutputRule) -> tuple[int, ...]:
    """Return the outputs that a model's answers are among, ascending; empty where they are all of its outputs.

    Parameters
    ----------
    outputs
        The output that stands for each class of the data.
    count
        How many outputs the model has.
    rule
        Which of them count.

    Examples
    --------
    >>> kept_outputs((7, 2), 10, "data"), kept_outputs((1, 0), 2, "data"), kept_outputs((7, 2), 10, "all")
    ((2, 7), (), ())
    """
    return tuple(sorted(outputs)) if rule == "data" and len(outputs) < count else ()
