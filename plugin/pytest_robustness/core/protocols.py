"""The values that the stages of a sweep pass on, and the Protocols that transforms, runtimes and progress satisfy."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core.dataset import Selection
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
        """Return what the result depends on, its parameters and code version, for the store's key."""

    def __call__(
        self, images: torch.Tensor, severity: int | None, identities: NDArray[np.void], seed: int
    ) -> torch.Tensor:
        """Return the transformed copy of ``images`` (uint8 [B, 3, H, W]), shape and dtype kept, on the same device.

        ``identities`` (V16 [B]) are hashes of the images' content: random draws depend on them and on ``seed``.
        """


@runtime_checkable
class BindableTransform(Protocol):
    """What a `Transform` may offer besides: it depends on something that is known of the images, and not in them."""

    def bound(self, selection: Selection) -> Transform:
        """Return the transform of the images of ``selection``, under the same name and key.

        What is known of an image must follow from its identity: the store goes by that and the key alone.
        """


def bound(transform: Transform, selection: Selection) -> Transform:
    """Return ``transform`` as it applies to the images of ``selection``."""
    return transform.bound(selection) if isinstance(transform, BindableTransform) else transform


class EngineUsed(NamedTuple):
    """What ran a model: the name of the runtime, and the number format that it computed in.

    ``layout`` is ``contiguous`` where PyTorch runs a model that does not take images channels last, as is usual.
    """

    runtime: str
    precision: str
    layout: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


class Runner(NamedTuple):
    """A model that is ready to run, and the engine that runs it.

    ``run`` takes preprocessed images, float32 [B, 3, H, W] on the device that the model was prepared for, and returns
    float32 logits [B, K] there.

    ``begin``, of an engine that computes while this thread goes on, takes the same and returns at once what waits for
    the logits. One more batch may be begun before the first is waited for.
    """

    run: Callable[[torch.Tensor], torch.Tensor]
    engine: EngineUsed
    begin: Callable[[torch.Tensor], Callable[[], torch.Tensor]] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    """What a model is prepared for.

    Parameters
    ----------
    example
        Inputs of the size that it will get: float32 [B, 3, H, W], on the device. No batch is larger, and all images
        have this size.
    precision
        ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
    passes
        How many images it will see in the whole run: images times conditions.
    timeout
        Seconds that the model may take for a batch; ``None``: any time.
    """

    example: torch.Tensor
    precision: str
    passes: int
    timeout: float | None = None


class Runtime(Protocol):
    """A way to run models: eager PyTorch, a compiler, another inference engine."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:
        """Return why it cannot run models on ``device`` at ``precision`` here, and what to do; ``None`` if it can."""

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Prepare ``model`` for ``workload``; raise any error that prevents that."""


class Predictions(NamedTuple):
    """The predictions of one cell, one row for each image.

    ``predicted`` is the model's output index (int32 [n]; -1 where the image could not be read). Probabilities are
    float32 [n], NaN where it could not be read: of the answer (``confidence``), of the true class, and of the output
    that comes second. ``rank`` counts the outputs before the true class (int32 [n]): 0 where the answer is right.
    """

    predicted: NDArray[np.int32]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    runner_up: NDArray[np.float32]
    rank: NDArray[np.int32]

    def at(self, rows: NDArray[np.integer]) -> Predictions:
        """Return the predictions in ``rows``."""
        return Predictions(
            self.predicted[rows],
            self.confidence[rows],
            self.true_probability[rows],
            self.runner_up[rows],
            self.rank[rows],
        )


class Progress(Protocol):
    """Receives the progress of a sweep."""

    def start(self, images: int, cells: int) -> None:
        """Begin: the sweep will read ``images`` images and fill ``cells`` cells."""

    def advance(self, images: int) -> None:
        """Count ``images`` more images as done."""

    def note(self, message: str) -> None:
        """Report something that the user should know: a smaller batch, a skipped image."""

    def stop(self) -> None:
        """End, whether the sweep finished or not."""
