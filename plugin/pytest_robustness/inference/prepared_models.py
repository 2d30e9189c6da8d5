"""The models of a sweep, prepared: each by its runtime, when its first batch comes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core import EngineUsed, Runner, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.core import Model
    from pytest_robustness.inference.jobs import Job, LoadedModel


class PreparedModels:
    """Prepares each model once and keeps what runs it.

    Parameters
    ----------
    prepare
        Makes a model, with its name, ready for a workload.
    precision
        The number format to compute in.
    jobs, images
        All jobs of the sweep, and how many images each has.
    """

    def __init__(
        self, prepare: Callable[[str, Model, Workload], Runner], precision: str, jobs: Sequence[Job], images: int
    ) -> None:
        self._prepare = prepare
        self._precision = precision
        # Cells that are stored already, or claimed elsewhere, count too: the choice of runtime must not depend on them.
        self._passes = {name: images * count for name, count in Counter(job.loaded.name for job in jobs).items()}
        self._runners: dict[str, Runner] = {}
        self._engines: dict[str, EngineUsed] = {}

    def ready(self, loaded: LoadedModel) -> bool:
        """Whether the model has been prepared, which may take longer than its first batch."""
        return loaded.name in self._runners

    def run(self, loaded: LoadedModel, inputs: torch.Tensor, batch_size: int) -> torch.Tensor:
        """Return the logits [B, K] of ``inputs`` (float32 [B, 3, h, w]); no batch has more than ``batch_size``."""
        name = loaded.name
        if name not in self._runners:
            # The first batch may be smaller than the others, but a compiled model must hold the largest.
            example = inputs[torch.arange(batch_size, device=inputs.device) % len(inputs)]
            workload = Workload(example, self._precision, self._passes[name])
            self._runners[name] = self._prepare(name, loaded.model, workload)
            self._engines[name] = self._runners[name].engine
        return self._runners[name].run(inputs)

    def engine(self, loaded: LoadedModel) -> EngineUsed:
        """Return what ran the model last."""
        return self._engines[loaded.name]

    def discard(self) -> None:
        """Discard what runs the models, compiled for one batch size perhaps; each is prepared again when needed."""
        self._runners.clear()
