"""How many images the margin needs: by what stored answers show, and by assumption before there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pytest_robustness.analysis.statistics.paired_change import PairedChange, images_to_decide
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.core import Condition

ASSUMED_CHANGED: Final = (0.02, 0.1, 0.3)
"""Shares of images whose answer turns from right to wrong or back: a mild transform, a usual one, a strong one."""


class Needed(NamedTuple):
    """What stored answers show of a model under a condition: the images that would decide, and those there.

    ``needed`` is infinite where the change is at the margin itself; ``share`` is that of the images lost and gained.
    """

    model: str
    condition: Condition
    needed: float
    images: int
    share: float


def assumed_needed(share: float, policy: TestPolicy) -> float:
    """Return how many images show that accuracy stays within the margin.

    It supposes that ``share`` of the images change, as many lost as gained, and that all classes have as many images.
    """
    change = PairedChange(np.array([share / 2]), np.array([share / 2]), np.array([1.0]))
    return float(images_to_decide(change, policy.margin / 100, policy.alpha)[0])


def shown_needed(judge: Judge, cells: Iterable[Cell]) -> tuple[Needed, ...]:
    """Return what the answers to ``cells`` show, which are finished as their controls are."""
    found = []
    for cell in cells:
        if cell.condition != CONTROL:
            change = judge.model_test(cell).change
            share = (change.lost + change.gained) / max(1, change.n)
            found.append(Needed(cell.model, cell.condition, change.needed, change.n, share))
    return tuple(found)
