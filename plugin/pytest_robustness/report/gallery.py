"""Which images a report shows: of each transform, classes that are sensitive to it and classes that are not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest
    from pytest_robustness.core import Condition

_CLASSES_EACH = 2
_MOST_TRANSFORMS = 12


class Answer(NamedTuple):
    """What one model says of an image in control and under the condition, and whether that is right."""

    model: str
    control: str
    treated: str
    right_control: bool
    right_treated: bool


class Thumbnails(NamedTuple):
    """An image as a model gets it, in control and transformed: ``data:`` URIs; ``width`` is that of the pictures."""

    control: str
    treated: str
    width: int


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """One image of a class with every model's answers; ``position`` is its place in the selection of images.

    ``thumbnails`` is ``None`` where the image could not be shown; ``note`` then says why.
    """

    condition: Condition
    finding: ClassFinding
    sensitive: bool
    position: int
    answers: tuple[Answer, ...]
    thumbnails: Thumbnails | None = None
    note: str = ""


def shown_tests(tests: Iterable[ClassTest]) -> list[ClassTest]:
    """Return the class tests to show: one for each transform, of its middle severity, twelve at most."""
    by_transform: dict[str, dict[Condition, ClassTest]] = {}
    for test in tests:
        by_transform.setdefault(test.condition.transform, {}).setdefault(test.condition, test)
    middle = [found[sorted(found, key=_severity)[len(found) // 2]] for found in by_transform.values()]
    return middle[:_MOST_TRANSFORMS]


def shown_classes(test: ClassTest) -> list[tuple[ClassFinding, bool]]:
    """Return the classes to show, with whether they are sensitive: two that fell most, two that changed least."""
    rejecting = sorted(test.sensitive, key=lambda c: (c.result.difference, c.result.p_adjusted, c.index))
    agreeing = [c for c in test.classes if c.result.conclusive and not c.result.rejects(test.alpha)]
    agreeing.sort(key=lambda c: (abs(c.result.difference), -c.result.p_adjusted, c.index))
    return [(c, True) for c in rejecting[:_CLASSES_EACH]] + [(c, False) for c in agreeing[:_CLASSES_EACH]]


def typical(right_control: Sequence[NDArray[np.bool_]], right_treated: Sequence[NDArray[np.bool_]]) -> int:
    """Return which image is most like its class: nearest to the mean count of models that are right, before and after.

    Parameters
    ----------
    right_control, right_treated
        For each model whether it is right on each image of the class: bool [n]. Of equals the first image is taken.
    """
    before, after = np.sum(right_control, axis=0), np.sum(right_treated, axis=0)
    return int(np.argmin(np.abs(before - before.mean()) + np.abs(after - after.mean())))


def _severity(condition: Condition) -> int:
    return condition.severity or 0
