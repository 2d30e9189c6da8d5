"""What passes between the stages of a sweep, and the Protocols behind which strategies stand."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core.model import Model


class Transform(Protocol):
    """A named image transformation with severity levels."""

    @property
    def name(self) -> str:
        """The name used in options, ids and reports."""

    @property
    def severities(self) -> tuple[int, ...]:
        """The severities that exist: ``(1, 2, 3, 4, 5)``, or ``()`` for a single level."""

    def key(self, severity: int | None) -> str:
        """Return what the result depends on, parameters and code version, for the store's key."""

    def __call__(
        self, images: torch.Tensor, severity: int | None, indices: NDArray[np.int64], seed: int
    ) -> torch.Tensor:
        """Return the transformed copy of ``images`` (uint8 [B, 3, H, W]), shape and dtype kept, on the same device.

        ``indices`` (int64 [B]) are the images' indices in the dataset: random draws depend on them and on ``seed``.
        """


class EngineUsed(NamedTuple):
    """What ran a model: the runtime's name, and the number format that it computed in."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


class Runner(NamedTuple):
    """A model made ready.

    ``run`` takes preprocessed images, float32 [B, 3, H, W] on the device that it was made ready for, and returns
    float32 logits [B, K] there.
    """

    run: Callable[[torch.Tensor], torch.Tensor]
    engine: EngineUsed


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    """What a model is made ready for.

    Parameters
    ----------
    example
        The first inputs that it will get: float32 [B, 3, H, W], on the device. No later batch is larger, and all images
        have this size.
    precision
        ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
    passes
        How many images the whole run has for it, each condition counted.
    """

    example: torch.Tensor
    precision: str
    passes: int


class Runtime(Protocol):
    """A way to run models: eager PyTorch, a compiler, another inference engine."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:
        """Return what keeps it from running models so here, as a sentence that says what to do; ``None``: nothing."""

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Make ``model`` ready for ``workload``; whatever keeps it from that is raised."""


class Predictions(NamedTuple):
    """What the store keeps of each image of one cell's shard; one row per position.

    ``predicted`` is the model's output index (int32 [n]; -1 where the image was skipped), ``confidence`` its
    probability and ``true_probability`` the probability given to the true class (float32 [n]; NaN where skipped).
    """

    predicted: NDArray[np.int32]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]


class Progress(Protocol):
    """Where the sweep tells how far it is."""

    def start(self, images: int, cells: int) -> None:
        """Begin: the sweep will read ``images`` images and fill ``cells`` cells."""

    def advance(self, images: int) -> None:
        """``images`` more images are done."""

    def note(self, message: str) -> None:
        """Something the user should know: a smaller batch, a skipped image."""

    def stop(self) -> None:
        """End, finished or not."""
