"""What a session has reports say; a base of the session, which answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.analysis.findings import GateTest
from pytest_robustness.core import Panel
from pytest_robustness.core.arithmetic import numpy_defaults
from pytest_robustness.core.files import short_path
from pytest_robustness.core.text import counted
from pytest_robustness.report.build import examples, lost_examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.analysis.findings import ClassTest, Finding
    from pytest_robustness.core import Progress
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.frontends.session.requests import Requests
    from pytest_robustness.frontends.session.run import Run
    from pytest_robustness.report.build import RunRecord
    from pytest_robustness.report.gallery import Example, LostExample
    from pytest_robustness.report.run_report import RunReport

# From as many on, reading them and writing page and tables takes more than some ten seconds, without another word.
_MANY_ANSWERS: Final = 5_000_000


class Reporting:
    """Writes and shows what a run found."""

    options: Options
    requests: Requests
    _run: Run
    _progress: Callable[[], Progress]

    @property
    def record(self) -> RunRecord:
        """What a report is built from."""
        return self._run.record

    @property
    def run_report(self) -> RunReport | None:
        """What the reports show; ``None`` before they are written, or where nothing was tested."""
        return self._run.report

    @numpy_defaults
    def illustrate(self, finding: Finding) -> tuple[ClassTest, tuple[Example, ...]]:
        """Return the test of every class behind a finding (over a model's images, for one model), and images."""
        classes = self._run.judge.class_test(Panel(finding.condition, finding.models))
        return classes, examples(self._run.record, classes)

    @numpy_defaults
    def lost_examples(self, finding: Finding) -> tuple[LostExample, ...]:
        """Return images that a comparison with the baseline lost, if ``finding`` is one that failed; else none."""
        return lost_examples(self._run.record, finding) if isinstance(finding, GateTest) else ()

    @property
    def report_folder(self) -> str:
        """Where the report goes, as one would type it from here."""
        return short_path(self.options.report)

    @numpy_defaults
    def build_report(self) -> RunReport | None:
        """Return what the reports show of what was asked so far; ``None`` where nothing was tested."""
        return self._run.build_report(self.requests.models, self.requests.conditions)

    @numpy_defaults
    def write_reports(self) -> bool:
        """Write the reports of what was computed; return whether that succeeded (`summary` has the error)."""
        log = self._run.log
        answers = int(log.provenance.get("dataset", {}).get("images", 0)) * len(log.keys)
        if answers >= _MANY_ANSWERS:
            self._progress().note(f"writing the report of {counted(answers, 'answer')}")
        return self._run.write_reports(self.requests.models, self.requests.conditions)

    @numpy_defaults
    def update_baseline(self) -> list[str]:
        """Write the baseline, where the options ask for it; return what there is to say of it.

        Raises
        ------
        BaselineError
            When a result is missing, the former baseline would lose findings, or a file cannot be written.
        """
        return self._run.update_baseline(self.requests.models, self.requests.conditions)

    @numpy_defaults
    def summary(self, width: int, color: bool, verbose: bool = False) -> str:
        """Return the terminal summary of the run, ``width`` columns wide; ``verbose`` adds what each pass excludes."""
        return self._run.summary(width, color, verbose)
