"""The studies that tests may ask a session for: each is a method that takes names, and is asked about cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_robustness.analysis.studies import PARITY
from pytest_robustness.core import CONTROL, Cell, Condition, Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.frontends.session.requests import Requests


class _Session(Protocol):
    """What the studies need of a session."""

    @property
    def requests(self) -> Requests: ...

    def study(self, name: str, subject: Cell | Panel) -> StudyFinding: ...


class Studies:
    """Asks the studies; a base of the session, which answers.

    Every method raises `OptionError` on a name that is not known, and `RobustnessError` where a model cannot be run or
    the data cannot be read.
    """

    def breaking_point(
        self: _Session, model: str | Cell, transform: str | Condition = "", severity: int | None = None
    ) -> StudyFinding:
        """Find the mildest magnitude of a transform at which a model's accuracy has fallen by more than the margin.

        The finding passes where that lies beyond the level of the severity: of the options, or 3 where they name
        several.
        """
        return self.study("breaking_point", self.requests.cell(model, transform, severity))

    def detectable(
        self: _Session,
        model: str | Sequence[str] | Cell | Panel,
        transform: str | Condition = "",
        severity: int | None = None,
    ) -> StudyFinding:
        """Find whether transformed images can be told from others by what a model answers; or several models."""
        if isinstance(model, Panel | Cell):
            return self.study("detectable", model)
        if isinstance(model, str):
            return self.study("detectable", self.requests.cell(model, transform, severity))
        return self.study("detectable", self.requests.panel(transform, severity, model))

    def turned_images(self: _Session, models: str | Sequence[str] | None = None) -> StudyFinding:
        """List the images of the data that seem to be flipped or turned; without models, by those of the options."""
        return self.study("turned_images", _of_run(self, models))

    def label_errors(self: _Session, models: str | Sequence[str] | None = None) -> StudyFinding:
        """List the images of the data that seem to be labelled wrongly; without models, by those of the options."""
        return self.study("label_errors", _of_run(self, models))

    def augmentation(self: _Session, models: str | Sequence[str] | None = None) -> StudyFinding:
        """Propose transforms to train with, by class, from what the models are sensitive to."""
        return self.study("augmentation", _of_run(self, models))

    def estimated_accuracy(self: _Session, model: str | Cell) -> StudyFinding:
        """Estimate a model's accuracy on images without labels."""
        return self.study("estimated_accuracy", self.requests.cell(model, CONTROL, None))

    def parity(
        self: _Session, model: str | Cell, transform: str | Condition = CONTROL, severity: int | None = None
    ) -> StudyFinding:
        """Find whether a model gives the answers of the one that it was exported from: ``--robustness-reference``."""
        return self.study(PARITY, self.requests.cell(model, transform, severity))


def _of_run(session: _Session, models: str | Sequence[str] | None) -> Panel:
    return session.requests.panel(CONTROL, None, models)
