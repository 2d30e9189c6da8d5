"""A run as its report or its baseline keeps it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.answers import RecordedAnswers
    from pytest_robustness.analysis.predictions import Counts
    from pytest_robustness.core import Cell, Condition


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedRun:
    """What a comparison needs of a run.

    Parameters
    ----------
    name
        Where it was read.
    data, fingerprint
        The name of its data and the hash of its images; the hash is empty where it is not known.
    labelled
        Whether the images have labels.
    seed, pipeline
        Of the transforms' random draws, and the version of the steps from canvas to prediction; ``None`` where that is
        not known.
    keys
        What the images under each condition depend on, where that is known.
    models
        The models, in order, with the hash of each.
    classes
        The names of the classes.
    counts
        Images and right answers of each finished cell, by class (int64 [C] each), or over all classes (int64 [1]).
    answers
        The answers to each image; ``None`` where the run has none.
    notes
        Why it has none, and what else was left aside.
    outputs
        Which outputs of a model its answers are among: ``all``, or those of the classes of the ``data``.
    circumstances
        How it was computed: precision, runtime, device, versions, options; empty where that is not known.
    preprocessing
        Of each model, setting by setting; empty where that is not known.
    """

    name: str
    data: str
    fingerprint: str
    labelled: bool
    seed: int | None
    pipeline: int | None
    keys: Mapping[Condition, str]
    models: Mapping[str, str]
    classes: tuple[str, ...]
    counts: Mapping[Cell, Counts]
    answers: RecordedAnswers | None
    notes: tuple[str, ...] = ()
    outputs: str = "all"
    circumstances: Mapping[str, str] = dataclasses.field(default_factory=dict)
    preprocessing: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def conditions(self) -> list[Condition]:
        """The conditions of its cells, in order."""
        return list(dict.fromkeys(cell.condition for cell in self.counts))

    @property
    def images(self) -> int:
        """How many images its cells have at most."""
        return max((int(np.sum(counts.n)) for counts in self.counts.values()), default=0)
