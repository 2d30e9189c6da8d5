"""The two kinds of transform: a function with its levels, and a chain of transforms."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from pytest_robustness.errors import OptionError, TransformError, unknown
from pytest_robustness.transforms.random_draws import uniforms

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Transform


@dataclasses.dataclass(frozen=True)
class FunctionTransform:
    """A function on batches, as a `Transform`.

    Parameters
    ----------
    name
        The transform's name.
    function
        ``function(images[, level][, draws])``: ``level`` if there are levels, ``draws`` (float64 [B, draws], uniform
        in [0, 1)) if it needs any. It gets a copy of the images.
    levels
        The value at severity 1, 2, ...; empty for a single level.
    draws
        Random numbers per image.
    version
        The version of the code.
    """

    name: str
    function: Callable[..., torch.Tensor]
    levels: tuple[float, ...]
    draws: int
    version: int | str

    @property
    def severities(self) -> tuple[int, ...]:
        """``1`` to the number of levels; none for a single level."""
        return tuple(range(1, len(self.levels) + 1))

    @property
    def published(self) -> bool:
        """Whether the function belongs to this package, whose code changes with its version alone."""
        return self.function.__module__.startswith("pytest_robustness.")

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def key(self, severity: int | None) -> str:
        """Return name, level, number of draws and code version."""
        return f"{self.name}(level={self._level(severity)!r}, draws={self.draws}, version={self.version!r})"

    def __call__(
        self, images: torch.Tensor, severity: int | None, identities: NDArray[np.void], seed: int
    ) -> torch.Tensor:
        """Return the transformed copy of ``images``; see `Transform`.

        Raises
        ------
        OptionError
            There is no such ``severity``.
        TransformError
            The function returns anything but uint8 images of the same shape on the same device.
        """
        # A copy, because other conditions read the same batch, and a user's function may write into its argument.
        arguments: list[Any] = [images.clone()]
        level = self._level(severity)
        if level is not None:
            arguments.append(level)
        if self.draws:
            arguments.append(uniforms(seed, self.name, identities, self.draws))
        return _checked(self.name, self.function(*arguments), images)

    def _level(self, severity: int | None) -> float | None:
        _check_severity(self, severity)
        return None if severity is None else self.levels[severity - 1]


@dataclasses.dataclass(frozen=True)
class Chain:
    """Transforms applied in order, all at the same severity, except those with a single level."""

    name: str
    parts: tuple[Transform, ...]

    @property
    def severities(self) -> tuple[int, ...]:
        """The severities that every part with levels has; none if no part has levels."""
        levelled = [set(part.severities) for part in self.parts if part.severities]
        return tuple(sorted(set.intersection(*levelled))) if levelled else ()

    @property
    def published(self) -> bool:
        """Whether every part belongs to this package."""
        return all(getattr(part, "published", False) for part in self.parts)

    @property
    def summary(self) -> str:
        """The parts in their order."""
        return f"The chain {'+'.join(part.name for part in self.parts)}."

    def key(self, severity: int | None) -> str:
        """Return the keys of the parts."""
        _check_severity(self, severity)
        return " + ".join(part.key(severity if part.severities else None) for part in self.parts)

    def __call__(
        self, images: torch.Tensor, severity: int | None, identities: NDArray[np.void], seed: int
    ) -> torch.Tensor:
        """Return the images after the last part; each part draws by its own name. See `Transform`."""
        _check_severity(self, severity)
        for part in self.parts:
            images = part(images, severity if part.severities else None, identities, seed)
        return images


def _check_severity(transform: Transform, severity: int | None) -> None:
    if transform.severities and severity not in transform.severities:
        raise OptionError(unknown(f"severity of {transform.name}", str(severity), map(str, transform.severities)))
    if not transform.severities and severity is not None:
        raise OptionError(f"{transform.name!r} has a single level and takes no severity; got {severity}.")


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
