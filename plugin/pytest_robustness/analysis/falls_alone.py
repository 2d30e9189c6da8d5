"""Falls of classes in single models: what an average over the models hides, where one loses a class and others do not.

Each class of each model has its own test, McNemar's, corrected by Holm's method over all models and classes. With one
model that is the class test itself, and there is nothing to add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.analysis.policy import significantly_beyond, steady
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.test_result import ModelFall

_NAMED = 5


class FallsAlone(NamedTuple):
    """The classes that fell by more than a margin in single models, the largest fall first.

    The images show the first, and not the others.
    """

    shown: tuple[ModelFall, ...] = ()
    unshown: tuple[ModelFall, ...] = ()

    def shown_text(self, policy: TestPolicy) -> str:
        """Say which class fell significantly in which model; nothing where none did."""
        if not self.shown:
            return ""
        return f"fell {significantly_beyond(policy.class_margin)} {in_single_models(self.shown)}"

    def unshown_text(self, policy: TestPolicy) -> str:
        """Say how many falls are not shown, and the largest; nothing where there is none."""
        if not self.unshown:
            return ""
        falls = counted(len(self.unshown), "fall of a class in a single model", "falls of classes in single models")
        largest = in_single_models(self.unshown[:1])
        return f"{falls} by more than {policy.class_margin:g} points not shown, the largest {largest}"


NO_FALLS: Final = FallsAlone()


def in_single_models(falls: Sequence[ModelFall]) -> str:
    """Return which class fell in which model: ``in a alone: cat -40.0, dog -30.0, in b alone: cat -20.0``."""
    by_model: dict[str, list[ModelFall]] = {}
    for fall in falls:
        by_model.setdefault(fall.model, []).append(fall)

    def write(model: str) -> str:
        listed = abridged(by_model[model], _NAMED, lambda fall: f"{fall.name} {steady(fall.difference):+.1f}")
        return f"in {model} alone: {listed}"

    return abridged([*by_model], _NAMED, write)
