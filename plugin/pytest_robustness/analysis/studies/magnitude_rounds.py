"""Run searches for breaking points in rounds: one sweep evaluates what all searches of a run want next."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies.fall_curve import fall_curve
from pytest_robustness.analysis.studies.magnitude_search import next_magnitudes
from pytest_robustness.analysis.tested_images import readable_by_all
from pytest_robustness.core import CONTROL, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.predictions import Answers
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.studies.fall_curve import FallCurve
    from pytest_robustness.transforms import Span


@dataclasses.dataclass(frozen=True)
class Target:
    """What is searched along: the magnitudes of one transform for one model.

    Parameters
    ----------
    model, transform
        Their names.
    span
        The transform's magnitudes.
    also
        Those that are evaluated in any case.
    """

    model: str
    transform: str
    span: Span
    also: tuple[float, ...]

    @property
    def control(self) -> Cell:
        """The model under control."""
        return Cell(self.model, CONTROL)

    @classmethod
    def of(cls, evidence: Evidence, model: str, transform: str, level: float) -> Target:
        """Return what to search along; ``level`` is evaluated in any case.

        Raises
        ------
        OptionError
            When the transform is not known, or has a single level.
        """
        span = evidence.registry.span(transform)
        # That neutral costs nothing is known where it changes nothing, and measured where it changes something.
        start = () if span.harmless else (span.neutral,)
        return cls(model, transform, span, (level, *start))


class _Running:
    """One search under way: what was answered so far, and which cells it wants next."""

    def __init__(self, evidence: Evidence, target: Target) -> None:
        self.target = target
        self._evidence = evidence
        self._answers: dict[float, Answers] = {}
        self.wanted: dict[Cell, float | None] = {target.control: None}

    def take(self) -> None:
        """Read the cells that were wanted, which are finished, and decide which to want next."""
        predictions = self._evidence.predictions
        self._answers |= {m: predictions.answers(cell) for cell, m in self.wanted.items() if m is not None}
        curve, target = self.curve(), self.target
        magnitudes = () if curve is None else next_magnitudes(curve, target.also)
        condition_at = self._evidence.registry.at
        self.wanted = {Cell(target.model, condition_at(target.transform, m)): m for m in magnitudes}

    def curve(self) -> FallCurve | None:
        """Return the curve of what was answered; ``None`` where no image could be read."""
        predictions, policy = self._evidence.predictions, self._evidence.policy
        control = predictions.answers(self.target.control)
        readable = readable_by_all([control, *self._answers.values()]) & predictions.distinct
        if not readable.any():
            return None
        return fall_curve(
            self.target.span,
            predictions.labels_of(self.target.model)[readable],
            control.correct[readable],
            {magnitude: answers.correct[readable] for magnitude, answers in self._answers.items()},
            margin=policy.margin,
            # Of many magnitudes the first is looked for, at either end: more chances to err than one test has.
            alpha=policy.alpha / 2,
        )


def searched(evidence: Evidence, own: Target, others: Iterable[Target]) -> FallCurve | None:
    """Search along ``own`` to the end, and return its curve; ``None`` where no image could be read.

    What ``others`` want next is computed in the same sweeps, as far as ``own`` needs sweeps at all.

    Raises
    ------
    RobustnessError
        When a magnitude of ``own`` could not be computed.
    """
    search = _Running(evidence, own)
    beside = [_Running(evidence, other) for other in dict.fromkeys(others) if other != own]
    while search.wanted:
        lacking: list[Cell] = []
        if not evidence.run_log.known(search.wanted):
            beside = [other for other in beside if _advance(evidence, other)]
            lacking = [cell for other in beside for cell in other.wanted]
        evidence.compute(dict.fromkeys([*search.wanted, *lacking]))
        evidence.run_log.require(*search.wanted)
        search.take()
    return search.curve()


def _advance(evidence: Evidence, search: _Running) -> bool:
    """Take what is finished of a search; return whether it wants anything that can still be computed."""
    while search.wanted and evidence.run_log.finished(*search.wanted):
        search.take()
    return bool(search.wanted) and not evidence.run_log.known(search.wanted)
