"""What a study says, in figures, items, curves and pictures that every report can show."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.test_result import Verdict
    from pytest_robustness.core import Condition

Figure = float | int | str | bool | None
"""What a table of a study may hold."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """One line of a study's chart, with its interval at each x where it has one.

    ``mark`` is an x to point out, between ``mark_low`` and ``mark_high``; ``diagonal`` asks for the line y = x.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    x_title: str = ""
    y_title: str = ""
    mark: float | None = None
    mark_low: float | None = None
    mark_high: float | None = None
    diagonal: bool = False


@dataclasses.dataclass(frozen=True)
class StudyPicture:
    """An image to draw, as it is and under a condition, on the canvas of a model; ``position`` as in `LostImage`."""

    position: int
    condition: Condition
    model: str
    caption: str


@dataclasses.dataclass(frozen=True)
class StudyFinding:
    """What a study says of its subject: ``models`` under a condition, which is control where it is about none.

    ``headline`` can stand alone. ``figures`` are one row of the study's table, ``items`` the rows of a second one:
    points of a curve, images, classes. ``details`` are the further lines of a failed test.
    """

    against: ClassVar[Literal["study"]] = "study"

    study: str
    models: tuple[str, ...]
    condition: Condition
    verdict: Verdict
    headline: str
    figures: Mapping[str, Figure]
    details: tuple[str, ...] = ()
    items: tuple[Mapping[str, Figure], ...] = ()
    curves: tuple[Curve, ...] = ()
    pictures: tuple[StudyPicture, ...] = ()
