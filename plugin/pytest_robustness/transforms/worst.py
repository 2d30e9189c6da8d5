"""Worst of k: a transform drawn k times, of which each image's worst answer counts."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_robustness.transforms.random_draws import shared_uniform

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Selection
    from pytest_robustness.transforms.chain import Chain, Levels

# Raised when the way from seed and number to a draw's magnitudes changes.
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class _OfChain:
    """What draws of a chain have in common."""

    chain: Chain

    @property
    def severities(self) -> tuple[int, ...]:
        """Those of the chain."""
        return self.chain.severities

    @property
    def published(self) -> bool:
        """Whether every operation belongs to this package."""
        return self.chain.published


@dataclasses.dataclass(frozen=True)
class Draw(_OfChain):
    """One draw of a chain, as a `Transform`: its magnitudes are the same for all images, its random signs are not.

    The level of each operation is uniform between its neutral level and the one that the chain has. An operation with a
    single level is applied as it is.

    Parameters
    ----------
    chain
        What is drawn from.
    number
        Which draw, from 1. It does not depend on how many there are.
    """

    number: int

    @property
    def name(self) -> str:
        """The chain's name and the number."""
        return f"{self.chain.name} (draw {self.number})"

    def key(self, severity: int | None) -> str:
        """Return the number, what magnitudes are drawn between, and the version of how."""
        return f"draw {self.number} (version={_VERSION}): {_range_key(self.chain, severity)}"

    def __call__(
        self, images: torch.Tensor, severity: int | None, identities: NDArray[np.void], seed: int
    ) -> torch.Tensor:
        """Return the images under this draw; see `Transform`."""
        return self.chain.apply(images, self.levels(severity, seed), identities, seed, f"draw {self.number} of ")

    def levels(self, severity: int | None, seed: int) -> Levels:
        """Return the level of each operation in this draw."""
        drawn: list[float | None] = []
        for place, (one, level) in enumerate(zip(self.chain.operations, self.chain.levels(severity), strict=True)):
            if one.span is None or level is None:
                drawn.append(None)
                continue
            # The place too, so that an operation which stands in a chain twice is drawn twice.
            fraction = shared_uniform(seed, f"magnitude of {one.name} at {place}, draw {self.number}")
            drawn.append(one.level(dataclasses.replace(one.span, extreme=level).at(fraction)))
        return tuple(drawn)


@dataclasses.dataclass(frozen=True)
class WorstOf(_OfChain):
    """Several draws of a chain, as one `Transform`: of each image, the answer to the worst of ``variants`` counts.

    Which one that is depends on the model, so a caller has to try each. Called itself, it gives the first.

    Parameters
    ----------
    chain
        What is drawn from.
    count
        How many draws: k.
    """

    count: int

    @property
    def name(self) -> str:
        """The name as options, ids and reports have it."""
        return f"worst({self.chain.name},k={self.count})"

    @cached_property
    def variants(self) -> tuple[Draw, ...]:
        """The draws."""
        return tuple(Draw(self.chain, number) for number in range(1, self.count + 1))

    def bound(self, selection: Selection) -> WorstOf:
        """Return the draws on the images of ``selection``; see `BindableTransform`."""
        return WorstOf(self.chain.bound(selection), self.count)

    def key(self, severity: int | None) -> str:
        """Return how many draws there are, what magnitudes are drawn between, and the version of how."""
        return f"worst of {self.count} draws (version={_VERSION}): {_range_key(self.chain, severity)}"

    def __call__(
        self, images: torch.Tensor, severity: int | None, identities: NDArray[np.void], seed: int
    ) -> torch.Tensor:
        """Return the images under the first draw, as pictures show them; see `Transform`."""
        return self.variants[0](images, severity, identities, seed)


def _range_key(chain: Chain, severity: int | None) -> str:
    starts = [None if one.span is None else (one.span.neutral, one.span.whole) for one in chain.operations]
    return f"from {starts!r} to {chain.key(severity)}"
