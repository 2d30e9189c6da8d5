"""Questions beyond sensitivity, asked on request. A study is a module here, and its name in the table below.

The table is read in every pytest run, to check options: this module imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_robustness.analysis.studies.study import Study

PARITY: Final = "parity"
"""The study that needs a reference besides its subjects."""

STUDIES: Final = {
    "breaking_point": "BreakingPoint",
    "detectable": "Detectable",
    "turned_images": "TurnedImages",
    "label_errors": "LabelErrors",
    "augmentation": "Augmentation",
    "estimated_accuracy": "EstimatedAccuracy",
    PARITY: "Parity",
}
"""The studies, in the order of a report: each is the module of that name, and the class of this name in it."""

ALL: Final = "all"
"""Stands for every study in the option."""


def load_study(name: str) -> Study:
    """Return the study called ``name``, one of `STUDIES`."""
    from importlib import import_module

    study: Study = getattr(import_module(f"{__name__}.{name}"), STUDIES[name])()
    return study
