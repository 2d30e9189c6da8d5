"""Chains: one operation or several in order, at the levels of a severity or at any magnitude between them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import OptionError
from pytest_robustness.transforms.operation import Span
from pytest_robustness.transforms.severities import require_severity

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Selection
    from pytest_robustness.transforms.operation import Operation

# The level of each operation of a chain; None for one with a single level.
Levels = tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class Chain:
    """Operations applied in order, as a `Transform`; most have one operation alone.

    A severity is given to every operation that has levels. A magnitude is the level of a single operation; of
    several, it is the fraction of its own span that each of them goes; one with a single level is applied in full.

    Parameters
    ----------
    name
        The transform's name.
    operations
        At least one.
    fixed
        Their levels, where a magnitude was chosen; ``None``: those of a severity.
    """

    name: str
    operations: tuple[Operation, ...]
    fixed: Levels | None = None

    @property
    def severities(self) -> tuple[int, ...]:
        """The severities that every operation with levels has; none if no operation has levels, or they are fixed."""
        levelled = [set(range(1, len(one.levels) + 1)) for one in self.operations if one.levels]
        return tuple(sorted(set.intersection(*levelled))) if levelled and self.fixed is None else ()

    @property
    def published(self) -> bool:
        """Whether every operation belongs to this package."""
        return all(one.published for one in self.operations)

    def key(self, severity: int | None) -> str:
        """Return the keys of the operations at their levels."""
        levels = self.levels(severity)
        return " + ".join(one.key(level) for one, level in zip(self.operations, levels, strict=True))

    def __call__(
        self, images: torch.Tensor, severity: int | None, identities: NDArray[np.void], seed: int
    ) -> torch.Tensor:
        """Return the images after the last operation; each draws by its own name. See `Transform`.

        Raises
        ------
        OptionError
            There is no such ``severity``.
        TransformError
            A function returns anything but uint8 images of the same shape on the same device.
        """
        return self.apply(images, self.levels(severity), identities, seed)

    def apply(
        self, images: torch.Tensor, levels: Levels, identities: NDArray[np.void], seed: int, draw: str = ""
    ) -> torch.Tensor:
        """Return the images after the last operation, each at its level; ``draw`` names one of several draws."""
        for one, level in zip(self.operations, levels, strict=True):
            images = one.apply(images, level, identities, seed, draw)
        return images

    @property
    def needs_files(self) -> bool:
        """Whether an operation acts on images of a run alone, by their files, so that no training can apply it."""
        return any(one.needs_files for one in self.operations)

    def bound(self, selection: Selection) -> Chain:
        """Return the chain on the images of ``selection``; see `BindableTransform`."""
        return dataclasses.replace(self, operations=tuple(one.bound(selection) for one in self.operations))

    def levels(self, severity: int | None) -> Levels:
        """Return the level of each operation at ``severity``.

        Raises
        ------
        OptionError
            There is no such severity.
        """
        if self.severities:
            require_severity(self.name, severity, self.severities)
        if not self.severities and severity is not None:
            raise OptionError(f"{self.name!r} has a single level and takes no severity; got {severity}.")
        if self.fixed is not None:
            return self.fixed
        return tuple(one.levels[severity - 1] if severity and one.levels else None for one in self.operations)

    def span(self, severity: int | None = None) -> Span:
        """Return the magnitudes up to the last level, or up to where no operation passes its level at ``severity``.

        Raises
        ------
        OptionError
            It has no levels, or not that severity.
        """
        spans = [one.span for one in self.operations if one.span is not None]
        if not spans or self.fixed is not None:
            raise OptionError(
                f"{self.name!r} has a single level and takes no magnitude. Name a transform with levels, such as "
                f"rotation."
            )
        harmless = all(one.span is not None and one.span.harmless for one in self.operations)
        whole = spans[0] if len(self.operations) == 1 else Span(0.0, 1.0, whole=False, harmless=harmless)
        if severity is None:
            return whole
        levels = self.levels(severity)
        fractions = [
            one.span.fraction(level)
            for one, level in zip(self.operations, levels, strict=True)
            if one.span is not None and level is not None
        ]
        return dataclasses.replace(whole, extreme=whole.at(min(fractions)))

    def at(self, magnitude: float) -> Chain:
        """Return this chain at ``magnitude``, a single level, with the magnitude in its name.

        Raises
        ------
        OptionError
            It has no levels, or the magnitude is outside of its span.
        """
        span = self.span()
        several = len(self.operations) > 1
        magnitude += 0.0  # no -0: it would have a name and a key of its own
        if magnitude not in span and (several or magnitude not in self.operations[0].levels):
            raise OptionError(not_a_magnitude(self, number_text(magnitude)))
        fixed = tuple(
            None if one.span is None else one.level(one.span.at(magnitude) if several else magnitude)
            for one in self.operations
        )
        return Chain(f"{self.name}:{number_text(magnitude)}", self.operations, fixed)


def not_a_magnitude(chain: Chain, text: str) -> str:
    """Return the error for ``text``, which is no magnitude of ``chain``."""
    span = chain.span()
    example = f"such as {chain.name}:{number_text(span.at(0.5))}"
    if len(chain.operations) > 1:
        valid = f"the fraction that each of its transforms goes from neutral (0) to its last level (1), {example}"
    else:
        ends = f"{number_text(span.neutral)} to {number_text(span.extreme)}"
        valid = f"a {'whole ' if span.whole else ''}number from {ends}, {example}"
    return f"{text!r} is not a magnitude of {chain.name}. Valid: {valid}."


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same number.

    >>> number_text(17.0), number_text(17.5)
    ('17', '17.5')
    """
    return repr(float(value)).removesuffix(".0")
