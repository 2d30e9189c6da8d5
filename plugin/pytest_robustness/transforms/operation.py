"""Operations: registered functions on batches of images, each with its levels and the magnitudes between them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_robustness.core.errors import TransformError
from pytest_robustness.transforms.function_hash import code_version
from pytest_robustness.transforms.random_draws import uniforms

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Selection


@dataclasses.dataclass(frozen=True)
class Span:
    """The magnitudes of a transform: from ``neutral``, which changes nothing, to ``extreme``, the last of its levels.

    ``whole``: whole numbers alone. ``harmless``: whether ``neutral`` does change nothing. It changes something where
    nobody named a level that does not, and the mildest one stands for it; and of a chain where such a transform, or one
    with a single level, is a part.
    """

    neutral: float
    extreme: float
    whole: bool
    harmless: bool = True

    def __contains__(self, magnitude: float) -> bool:
        low, high = sorted((self.neutral, self.extreme))
        return low <= magnitude <= high and (not self.whole or float(magnitude).is_integer())

    def at(self, fraction: float) -> float:
        """Return the magnitude at ``fraction`` of the way from neutral (0) to extreme (1)."""
        magnitude = self.neutral + (self.extreme - self.neutral) * fraction if fraction < 1 else self.extreme
        return round(magnitude) if self.whole else float(magnitude)

    def fraction(self, magnitude: float) -> float:
        """Return how far ``magnitude`` is on the way from neutral (0) to extreme (1)."""
        return (magnitude - self.neutral) / (self.extreme - self.neutral) if self.extreme != self.neutral else 0.0


@dataclasses.dataclass(frozen=True)
class Operation:
    """A function on batches.

    Parameters
    ----------
    name
        The name that it was registered under.
    function
        ``function(images[, level][, draws])``: ``level`` if there are levels, ``draws`` (float64 [B, draws], uniform
        in [0, 1)) if it needs any. A user's gets a copy of the images; this package's do not write into them.
    levels
        The value at severity 1, 2, ...; empty for a single level.
    draws
        Random numbers per image.
    version
        The version of the code; ``None``: `code` hashes it.
    span
        The magnitudes that it takes; ``None`` for a single level.
    """

    name: str
    function: Callable[..., torch.Tensor]
    levels: tuple[float, ...]
    draws: int
    version: int | None
    span: Span | None = None

    needs_files: ClassVar[bool] = False
    """Whether it acts on images of a run alone, by their files: see `bound`."""

    @property
    def published(self) -> bool:
        """Whether the function belongs to this package, whose code changes with its version alone.

        By where it was written: what ``functools.wraps`` wraps around it says that it is of the same module.
        """
        return str(getattr(self.function, "__globals__", {}).get("__name__")).startswith("pytest_robustness.")

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @functools.cached_property
    def code(self) -> int | str:
        """The version, or a hash of the function and all that it uses.

        Not earlier than a run asks: what a function closes over, and globals, may be set after its registration.
        """
        return code_version(self.name, self.function) if self.version is None else self.version

    @functools.cached_property
    def _asked(self) -> set[float | str | None]:
        """The levels at which the function was seen to change each image by itself, in this process."""
        return set()

    def bound(self, selection: Selection) -> Operation:  # noqa: ARG002 (it needs nothing of the images but their pixels)
        """Return the operation on the images of ``selection``; see `BindableTransform`."""
        return self

    def level(self, magnitude: float) -> float:
        """Return ``magnitude`` as the function gets it: where it is one of the levels, as that was written."""
        for level in self.levels:
            if level == magnitude:
                return level
        return int(magnitude) if self.span is not None and self.span.whole else float(magnitude)

    def key(self, level: float | None) -> str:
        """Return name, level, number of draws and code version."""
        return f"{self.name}(level={level!r}, draws={self.draws}, version={self.code!r})"

    def apply(
        self, images: torch.Tensor, level: float | None, identities: NDArray[np.void], seed: int, draw: str = ""
    ) -> torch.Tensor:
        """Return the changed copy of ``images`` (uint8 [B, 3, H, W]); see `Transform`.

        ``draw`` names one of several draws, which are independent of one another.

        Raises
        ------
        TransformError
            The function returns anything but uint8 images of the same shape on the same device; or, where it is a
            user's and gets its first images, does not change each image by itself: see `require_by_image`.
        """
        from pytest_robustness.transforms.by_image import require_by_image

        draws = uniforms(seed, draw + self.name, identities, self.draws)
        result = self._called(level, images, draws)
        # All magnitudes between the levels count as one.
        asked = level if level is None or level in self.levels else "between"
        if not self.published and len(images) and asked not in self._asked:
            require_by_image(self.name, functools.partial(self._called, level), images, draws)
            self._asked.add(asked)
        return result

    def _called(self, level: float | None, images: torch.Tensor, draws: NDArray[np.float64]) -> torch.Tensor:
        """Call the function with what it takes of level and draws (float64 [B, draws])."""
        # A copy, because other conditions read the same batch, and a user's function may write into its argument.
        arguments: list[Any] = [images if self.published else images.clone()]
        if level is not None:
            arguments.append(level)
        if self.draws:
            arguments.append(draws)
        return _checked(self.name, self.function(*arguments), images)


def _checked(name: str, result: object, images: torch.Tensor) -> torch.Tensor:
    import torch

    if isinstance(result, torch.Tensor) and _form(result) == _form(images):
        return result
    returned = _form(result) if isinstance(result, torch.Tensor) else type(result).__name__
    raise TransformError(
        f"Transform {name!r} returned {returned} instead of {_form(images)}. It must keep the shape, dtype and device "
        f"of its images; end with .round().clamp(0, 255).to(torch.uint8) after computing in floating point."
    )


def _form(images: torch.Tensor) -> str:
    return f"{str(images.dtype).removeprefix('torch.')} {list(images.shape)} on {images.device}"
