"""What a study is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.core import Cell, Panel


class Study(Protocol):
    """A question that tests ask about one model under one condition, about several models, or about a whole run."""

    @property
    def name(self) -> str:
        """The name in options, file names and ``results.json``: ``breaking_point``."""

    @property
    def title(self) -> str:
        """The heading on the page: ``Breaking points``."""

    @property
    def about(self) -> str:
        """A few sentences for the page: what is asked, how it is decided, and what it cannot tell."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The heading, with its unit, of each of a finding's figures, in order."""

    @property
    def main(self) -> str:
        """The figure that a table of models and conditions shows; empty for a study of the whole run."""

    @property
    def item_name(self) -> str:
        """What the items of a finding are: ``points``, ``images``; empty where a finding has none."""

    @property
    def item_columns(self) -> Mapping[str, str]:
        """The heading of each figure of an item, in order."""

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Answer the question about ``request``; the same evidence gives the same finding.

        Raises
        ------
        RobustnessError
            When what it needs could not be computed.
        """
