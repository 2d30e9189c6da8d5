"""Keep which tests of the run were selected, and which of them did not end with a verdict.

A report that counts findings alone says PASS of a run that was interrupted, or of a test whose fixture raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_robustness.core.text import printable
from pytest_robustness.plugin.active import active_session
from pytest_robustness.plugin.asked import asks

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_robustness.analysis.findings import Finding

UNFINISHED_HOOKS: Final = "robustness-unfinished"
"""The name under which the hooks are registered."""

NOTHING_TO_COMPARE: Final = "this run writes the baseline: there is nothing to compare with"
"""Why a test of the gate is skipped as it should be."""

# Attributes of a report travel from a worker of xdist to the controller.
_ENDING = "robustness_ending"
_SELECTED = "robustness_selected"
_LONGEST = 200
_LONGEST_NAME = 2000


class UnfinishedHooks:
    """Follows the tests of the plugin, of all workers in the controller of xdist."""

    def __init__(self) -> None:
        self._selected: dict[str, None] = {}
        self._told = False
        self._ended: set[str] = set()
        self._endings: dict[str, str] = {}
        self._interrupted = False

    def found(self) -> dict[str, str]:
        """Return how each test ended that did not end with a verdict, by name; else, without a name, the session."""
        if not self._selected:
            return dict(self._endings)
        missing = "was not run to its end"
        endings = {name: "" if name in self._ended else missing for name in self._selected} | self._endings
        found = {name: text for name, text in endings.items() if text and name in self._selected}
        return found or ({"": "was interrupted"} if self._interrupted else {})

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the tests that are to run."""
        self._selected |= {printable(item.nodeid, _LONGEST_NAME): None for item in session.items if asks(item)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write how a test ended into its report; into the first of a worker, which tests are to run."""
        report = yield
        if asks(item):
            vars(report)[_ENDING] = _ending(item, call, report)
        if not self._told and hasattr(item.config, "workeroutput"):
            self._told = True
            vars(report)[_SELECTED] = list(self._selected)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how a test ended; a test that runs again ends as it did the last time."""
        self._selected |= dict.fromkeys(getattr(report, _SELECTED, ()))
        name = printable(report.nodeid, _LONGEST_NAME)
        if report.when == "setup":
            self._ended.discard(name)
            self._endings.pop(name, None)
        ending = getattr(report, _ENDING, None)
        if ending is None and report.failed and report.when not in ("setup", "call", "teardown"):
            # What xdist says of a worker that died.
            ending = f"did not end: {printable(str(report.longrepr), _LONGEST)}"
        if ending:
            self._endings.setdefault(name, ending)
        # A test that its fixtures failed or skipped has no call.
        if report.when == "call" or not report.passed:
            self._ended.add(name)

    def pytest_keyboard_interrupt(self) -> None:
        """Keep that the session was stopped: by Ctrl-C, or by ``pytest.exit``."""
        self._interrupted = True


def _ending(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> str:
    """Return how a test ended that has no verdict, or another ending than its findings say; else nothing."""
    if call.excinfo is None:
        # A test that was to fail, and did not.
        return f"failed: {printable(str(report.longrepr), _LONGEST)}" if report.failed else ""
    error = call.excinfo.value
    said = printable(call.excinfo.exconly(tryshort=True), _LONGEST)
    if str(error) == NOTHING_TO_COMPARE or _of_model(item, error):
        return ""
    if report.failed and report.when != "call":
        return f"had an error in its {report.when}: {said}"
    if _told_by_findings(item, error):
        return ""
    if report.failed:
        return f"failed apart from its findings: {said}"
    if hasattr(report, "wasxfail"):
        return f"failed as expected, without a finding: {said}" if not _findings(item) else ""
    return f"was skipped: {printable(str(error), _LONGEST)}"


def _told_by_findings(item: pytest.Item, error: BaseException) -> bool:
    """Whether one of its findings says by itself why a test did not pass."""
    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.plugin.assertion import NotRobust

    return isinstance(error, NotRobust) or any(one.verdict.outcome is not Outcome.PASS for one in _findings(item))


def _of_model(item: pytest.Item, error: BaseException) -> bool:
    """Whether the report has an error as that of a model."""
    session = active_session(item.config)
    return session is not None and str(error) in session.run_log.errors.values()


def _findings(item: pytest.Item) -> list[Finding]:
    session = active_session(item.config)
    return [] if session is None else session.findings
