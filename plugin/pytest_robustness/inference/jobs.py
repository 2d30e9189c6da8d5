"""What a sweep is to compute: each job is a cell with the key of its result."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_robustness.core import CONTROL, PIPELINE_VERSION, Cell, ClassMatch, Condition, Model, Selection, Transform
from pytest_robustness.errors import ModelError, cause
from pytest_robustness.inference.inputs import to_inputs
from pytest_robustness.inference.store import content_key

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A model that fits the data: its weights are loaded and its outputs are matched with the data's classes.

    ``pixels`` is the area of its canvas, by which the size of a batch is chosen.
    """

    name: str
    model: Model
    match: ClassMatch
    pixels: int

    @property
    def outputs(self) -> NDArray[np.int64]:
        """The model output that stands for each class of the data: int64 [C]."""
        return np.array(self.match.outputs, np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A cell to compute; ``transform`` is ``None`` for control."""

    subject: Subject
    condition: Condition
    transform: Transform | None
    key: str

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.subject.name, self.condition)

    @property
    def description(self) -> dict[str, Any]:
        """What the store remembers of the cell beside its predictions."""
        return {
            "model": self.subject.name,
            "transform": self.condition.transform,
            "severity": self.condition.severity,
            "outputs": self.subject.match.outputs,
        }


def job(
    subject: Subject, condition: Condition, transform: Transform | None, selection: Selection, seed: int, precision: str
) -> Job:
    """Return the job of one cell; its key is the hash of all that the result depends on."""
    parts: dict[str, Any] = {
        "pipeline": PIPELINE_VERSION,
        "model": subject.model.fingerprint,
        "preprocess": dataclasses.asdict(subject.model.preprocess),
        "outputs": subject.match.outputs,
        "transform": transform_key(transform, condition),
        "seed": seed,
        "dataset": selection.fingerprint,
        "precision": precision,
    }
    return Job(subject, condition, transform, content_key(parts))


def transform_key(transform: Transform | None, condition: Condition) -> str:
    """Return what the images under ``condition`` depend on; without a transform it is control."""
    return str(CONTROL) if transform is None else transform.key(condition.severity)


def count_outputs(name: str, model: Model, canvas: torch.Tensor) -> int:
    """Return how many outputs ``model`` has, by running it on one canvas (uint8 [3, H, W]).

    Raises
    ------
    ModelError
        When it cannot run on such an image, or does not return logits [1, K].
    """
    shape = tuple(to_inputs(canvas[None], model.preprocess).shape)
    try:
        with torch.inference_mode():
            logits = model.module(to_inputs(canvas[None], model.preprocess))
    except Exception as error:
        raise ModelError(
            f"{name} failed on a first image, an input of shape {shape}: {cause(error)}. "
            f"If the size is wrong, give the model a Preprocess(resize=..., crop=...)."
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 1 or not logits.is_floating_point():
        got = f"{logits.dtype} {list(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(f"{name} must return floating-point logits [B, K]; for one image it returned {got}.")
    return int(logits.shape[1])
