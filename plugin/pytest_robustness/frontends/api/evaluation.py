"""What an evaluation found."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_robustness import report as reports
from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.text import printable_lines
from pytest_robustness.core.undoing import interrupts_undone
from pytest_robustness.frontends.api.frames import frame
from pytest_robustness.frontends.api.plots import Plots
from pytest_robustness.inference.user_calls.aspects import every_aspect
from pytest_robustness.report import summary, terminal
from pytest_robustness.report.reader_notes import all_notes

if TYPE_CHECKING:
    import os

    import pandas as pd

    from pytest_robustness.analysis.findings import ClassTest, Finding, GateTest, ModelTest
    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.frontends.session.session import RobustnessSession
    from pytest_robustness.report.run_report import RunReport

_WIDTH = 100


class Evaluation:
    """The findings of `evaluate`: as objects, data frames, charts, and reports.

    Parameters
    ----------
    session
        The session that was asked.

    Attributes
    ----------
    robustness
        The session, as tests have it in the fixture of that name. What is asked of it later, a study such as
        ``robustness.breaking_point("resnet18", "rotation")``, is part of the evaluation's reports too.
    """

    def __init__(self, session: RobustnessSession) -> None:
        self.robustness = session
        self._built: tuple[tuple[int, ...], RunReport] | None = None
        # Tables and pictures are read from the store when they are asked for.
        self._close = weakref.finalize(self, session.close)

    def close(self) -> None:
        """Close the store; it is also closed when nothing refers to the evaluation any more."""
        self._close()

    @property
    def outcome(self) -> Outcome:
        """FAIL if any test failed, else INCONCLUSIVE if any is, or any model could not be judged; else PASS."""
        return summary.outcome(self._report)

    @property
    def verdict(self) -> str:
        """What was found, in a sentence or two."""
        return summary.verdict(self._report)

    @property
    def findings(self) -> list[Finding]:
        """Every test: of the models, of the classes, against the baseline, and those of studies."""
        return summary.findings(self._report)

    @property
    def model_tests(self) -> tuple[ModelTest, ...]:
        """The tests of each model under each condition."""
        return self._report.model_tests

    @property
    def class_tests(self) -> tuple[ClassTest, ...]:
        """The tests of the classes under each condition."""
        return self._report.class_tests

    @property
    def gate_tests(self) -> tuple[GateTest, ...]:
        """The comparisons with the baseline; none where none is named."""
        return self._report.gate_tests

    @property
    def errors(self) -> dict[str, str]:
        """Why a model could not be judged under a condition: ``{"resnet18 under vflip": reason}``."""
        return {f"{cell.model} under {cell.condition}": text for cell, text in self._report.errors.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may make figures wrong: a set-up that was assumed, an accuracy that cannot be told from guessing."""
        return self._report.warnings

    @property
    def notes(self) -> tuple[str, ...]:
        """What else to know, the weightiest first: errors and warnings, images that were skipped, what the data lacks.

        A notebook shows the first few below the table.
        """
        return all_notes(self._report)

    @property
    def plot(self) -> Plots:
        """The charts, drawn by Matplotlib: ``plot.heatmap()``, ``plot.sensitive_classes()``, ``plot.curves()``."""
        return Plots(self._report)

    @numpy_defaults
    def to_frame(self, kind: Literal["models", "classes", "images", "tests"] = "models") -> pd.DataFrame:
        """Return a table of the findings.

        Parameters
        ----------
        kind
            ``models``: a row for each model under each condition; ``classes``: for each class under each condition;
            ``tests``: both; ``images``: for each image under each condition and control, by each model.

        Raises
        ------
        OptionError
            There is no such table.
        RobustnessError
            The store lacks answers.
        """
        return frame(self._report, kind)

    @interrupts_undone(every_aspect)
    @numpy_defaults
    def report(self, folder: str | os.PathLike[str] = "reports/latest") -> Path:
        """Write the reports of a run of pytest into ``folder``: page, tables, summary. Return the page's path.

        Raises
        ------
        RobustnessError
            When the folder cannot be written.
        """
        path = Path(folder)
        reports.write_all(self._report, path)
        return path / "index.html"

    @numpy_defaults
    def __repr__(self) -> str:
        return printable_lines(terminal.render(self._report, _WIDTH, color=False)).rstrip()

    @numpy_defaults
    def _repr_html_(self) -> str:
        from pytest_robustness.frontends.api.notebook import html

        return html(self._report)

    @property
    def _report(self) -> RunReport:
        """What the reports show; built again where more was asked."""
        length = self.robustness.run_log.length
        if self._built is None or self._built[0] != length:
            built = self.robustness.build_report()
            if built is None:
                raise RuntimeError("nothing was asked of this session")
            self._built = length, built
        return self._built[1]
