"""A set-up on its way through the images: its answers so far, and how the model's outputs are read as classes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.core.dataset import has_own_labels
from pytest_robustness.core.errors import DataError, RobustnessError, cause
from pytest_robustness.inference.loading.class_matching import match

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Selection
    from pytest_robustness.inference.doctor.mistakes import Mistake
    from pytest_robustness.inference.doctor.set_up import SetUp

    Answers = NDArray[np.int64]

_log = logging.getLogger(__name__)


class _Reading(NamedTuple):
    """How raw outputs become classes: so many are dropped, and the class of each of the others, -1 for none."""

    dropped: int
    classes: tuple[int, ...]


class OpenTrial:
    """One set-up on its way through the images."""

    def __init__(self, mistake: Mistake, known: Answers | None = None) -> None:
        self.mistake = mistake
        self.going = known is None
        self.error = ""
        self.set_up: SetUp | None = None
        self.reading: _Reading | None = None
        self._answers: list[Answers] = [] if known is None else [known]

    @property
    def array(self) -> Answers:
        """The answers so far: int64 [m]."""
        return np.concatenate([np.empty(0, np.int64), *self._answers])

    @property
    def same_as(self) -> object:
        """What the answers depend on."""
        return None if self.set_up is None else (self.set_up.inputs, self.reading)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        _log.debug("the model does not run with %s", self.mistake.words, exc_info=True)
        self.error = str(error) if isinstance(error, RobustnessError) else cause(error)
        self.going = False
        self._answers.clear()

    def read(self, outputs: torch.Tensor, selection: Selection, name: str) -> None:
        """Add the answers that raw ``outputs`` (float32 [B, K]) are."""
        if self.set_up is None:
            raise ValueError("a trial is set up before its outputs are read")
        if self.reading is None:
            count = outputs.shape[1]
            dropped = self.set_up.dropped(count)
            if dropped >= count:
                raise DataError(f"{dropped} of {count} outputs are dropped")
            own_labels = has_own_labels(selection.source)
            matched = match(selection.classes, count - dropped, self.set_up.classes, name, own_labels=own_labels)
            classes = np.full(count - dropped, -1, np.int64)
            classes[list(matched.outputs)] = np.arange(len(matched.outputs))
            self.reading = _Reading(dropped, tuple(classes.tolist()))
        highest = outputs[:, self.reading.dropped :].argmax(dim=1).numpy()
        self._answers.append(np.array(self.reading.classes, np.int64)[highest])


def distinct(trials: Sequence[OpenTrial]) -> list[OpenTrial]:
    """Return control, and of the others those that answer by something that no earlier one answers by."""
    seen: set[object] = set()
    kept = []
    for trial in trials:
        if trial.error or trial.same_as not in seen:
            kept.append(trial)
            seen.add(None if trial.error else trial.same_as)
    return kept
