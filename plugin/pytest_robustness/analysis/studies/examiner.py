"""Answer the studies of a run, and remember which were asked, so that the report can ask again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies import PARITY, load_study
from pytest_robustness.core import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.studies.study import Study
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.core import Panel
    from pytest_robustness.inference.run_log import StudyRequest


class Examiner:
    """Answers studies from the evidence of one run.

    Parameters
    ----------
    evidence
        What the run knows.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._planned: dict[str, tuple[Cell | Panel, ...]] = {}
        self._studies: dict[str, Study] = {}
        self._findings: dict[StudyRequest, StudyFinding] = {}

    def plan(self, requests: Iterable[StudyRequest]) -> None:
        """Note what tests are going to ask, so that a study may have it all computed in one sweep."""
        for name, subject in requests:
            self._planned[name] = tuple(dict.fromkeys((*self._planned.get(name, ()), subject)))

    def beforehand(self, requests: Iterable[StudyRequest]) -> Iterator[Cell]:
        """Yield the cells that parity needs besides its subjects, so that the sweep of those computes them too."""
        reference = self._evidence.options.reference
        for name, subject in requests:
            if name == PARITY and reference is not None:
                yield Cell(reference, subject.condition)

    def examine(self, request: StudyRequest, compute: Callable[[Iterable[Cell]], None] | None = None) -> StudyFinding:
        """Answer one study, once.

        Parameters
        ----------
        request
            The study and its subject.
        compute
            Computes the cells that the store lacks; without it the store must have all.

        Raises
        ------
        RobustnessError
            When what it needs could not be computed.
        """
        if request not in self._findings:
            used: dict[Cell, None] = {}

            def computing(cells: Iterable[Cell]) -> None:
                listed = tuple(cells)
                used.update(dict.fromkeys(listed))
                (compute or self._evidence.compute)(listed)

            evidence = dataclasses.replace(self._evidence, planned=self._planned, compute=computing)
            self._findings[request] = self.study(request.study).examine(evidence, request.subject)
            self._evidence.run_log.studied[request] = tuple(used)
        return self._findings[request]

    def study(self, name: str) -> Study:
        """Return a study, loaded once."""
        if name not in self._studies:
            self._studies[name] = load_study(name)
        return self._studies[name]

    def answered(self, request: StudyRequest) -> bool:
        """Whether everything that the study used when it was asked has been computed, here or by another process."""
        log = self._evidence.run_log
        return log.known(log.studied[request])
