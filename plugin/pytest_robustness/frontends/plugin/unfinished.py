"""Keep which tests of the run were selected, and which of them did not end with a verdict.

A report that counts findings alone says PASS of a run that was interrupted, or of a test whose fixture raised.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import pytest

from pytest_robustness.core.text import counted, printable
from pytest_robustness.frontends.plugin.active import active_session
from pytest_robustness.frontends.plugin.asked import asks, may_ask, names_session

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_robustness.analysis.findings import Finding

_log = logging.getLogger(__name__)

UNFINISHED_HOOKS: Final = "robustness-unfinished"
"""The name under which the hooks are registered."""

NOTHING_TO_COMPARE: Final = "this run writes the baseline: there is nothing to compare with"
"""Why a test of the gate is skipped as it should be."""

# Attributes of a report travel from a worker of xdist to the controller.
_ENDING = "robustness_ending"
_OUTCOME = "robustness_outcome"
_SELECTED = "robustness_selected"
_ASKED = "robustness_asked"
_OUTCOMES = ("passed", "failed", "skipped")
_LONGEST = 200
_LONGEST_NAME = 2000


class UnfinishedHooks:
    """Follows the tests of the plugin, of all workers in the controller of xdist.

    A test that gets the fixture by ``request.getfixturevalue`` shows only then that it is one. From then on every test
    of its file counts that could do the same: one that fails before it asks, or is not run, has no verdict either.
    """

    def __init__(self) -> None:
        self._asking: dict[str, None] = {}
        self._able: dict[str, None] = {}
        self._files: set[str] = set()
        self._told = False
        self._ended: set[str] = set()
        self._endings: dict[str, str] = {}
        self._again: set[str] = set()
        self._not_collected: dict[str, str] = {}
        self._broken_off = ""

    def found(self) -> dict[str, str]:
        """Return how each test ended that did not end with a verdict, by name; without a name, how the session did."""
        asking = self._asking | {name: None for name in self._able if _file(name) in self._files}
        told = bool(self._asking or self._able)
        endings = {name: "" if name in self._ended else "was not run to its end" for name in asking} | self._endings
        found = {name: text for name, text in endings.items() if text and (name in asking or not told)}
        left = [name for name in self._able if name not in self._ended and name not in asking]
        if self._broken_off and not found:
            found[""] = self._broken_off
        elif left:
            found[""] = f"ended before {counted(len(left), 'test')} that may ask for a verdict, such as {left[0]}"
        return found | self._not_collected

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Write into the report of a file why it gives no test, where it could have some that ask."""
        report = yield
        if report.failed or (report.skipped and _names_package(collector)):
            how = "could not be collected" if report.failed else "was skipped"
            last = _said(report).strip().rpartition("\n")[2].removeprefix("E ").strip()
            vars(report)[_ENDING] = f"{how}: {printable(last, _LONGEST)}"
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep which file gives no test: nobody knows what its tests would have asked."""
        if hasattr(report, _ENDING):
            self._not_collected[_name(report.nodeid)] = getattr(report, _ENDING)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the tests that are to run, and which of them ask, or may do so."""
        for item in session.items:
            if names_session(item):
                self._asking[_name(item.nodeid)] = None
            elif may_ask(item):
                self._able[_name(item.nodeid)] = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write how a test ended into its report; into the first of a worker, which tests are to run."""
        report = yield
        asked = asks(item) or bool(_findings(item))
        if asked or may_ask(item):
            vars(report)[_ENDING] = _ending(item, call, report)
            vars(report)[_OUTCOME] = report.outcome
        if asked:
            vars(report)[_ASKED] = True
        if not self._told and hasattr(item.config, "workeroutput"):
            self._told = True
            vars(report)[_SELECTED] = list(self._asking), list(self._able)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how a test ended; a test that runs again ends as it did the last time.

        Other plugins may have changed its outcome since this one saw it: what all of them say in the end counts. The
        terminal changes it afterwards, where a test has subtests that failed, of which each had its ending.
        """
        asking, able = getattr(report, _SELECTED, ((), ()))
        self._asking |= dict.fromkeys(asking)
        self._able |= dict.fromkeys(able)
        name = _name(report.nodeid)
        if hasattr(report, _ASKED) and name not in self._asking:
            self._able[name] = None
            self._files.add(_file(name))
        again = report.outcome not in _OUTCOMES
        if report.when == "setup" or again:
            self._ended.discard(name)
            self._endings.pop(name, None)
        if again:
            self._again.add(name)
            return
        ending = self._ending_now(report)
        # What xdist says of a worker that died.
        died = report.failed and report.when not in ("setup", "call", "teardown")
        if ending is None and died:
            ending = f"did not end: {printable(str(report.longrepr), _LONGEST)}"
        if ending:
            self._endings.setdefault(name, ending)
        # A test that its fixtures failed or skipped has no call.
        if report.when == "call" or not (report.passed or died):
            self._ended.add(name)

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Keep that the session was stopped: by Ctrl-C, or by ``pytest.exit``; let go what it was in the midst of."""
        self._broken_off = "was interrupted"
        # pytest, which has rendered the traceback by now, keeps it while the report is written, and with it locks.
        if self._asking or self._able:
            from pytest_robustness.core.undoing import let_go

            let_go(excinfo.value)

    def pytest_internalerror(self) -> None:
        """Keep that pytest, or a plugin, broke down: tests may be missing that nobody tells of."""
        self._broken_off = "ended with an internal error of pytest or a plugin"

    def _ending_now(self, report: pytest.TestReport) -> str | None:
        """Return the ending that a report was given, or what another plugin made of it; ``None`` of other tests."""
        ending: str | None = getattr(report, _ENDING, None)
        if ending is None or report.outcome == getattr(report, _OUTCOME):
            return ending
        if not report.passed:
            how = "failed" if report.failed else "was skipped"
            return f"{how}: {printable(_said(report), _LONGEST)}"
        # Only a test that ran again has passed after all; of any other the error stands.
        return "" if _name(report.nodeid) in self._again else ending


def _name(nodeid: str) -> str:
    return printable(nodeid, _LONGEST_NAME)


def _said(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return what a report says of its outcome: of a skip its reason, which stands behind file and line."""
    place_and_reason = report.longrepr
    text = place_and_reason[2] if isinstance(place_and_reason, tuple | list) else str(place_and_reason)
    return text.removeprefix("Skipped: ")


def _names_package(collector: pytest.Collector) -> bool:
    """Return whether the text of a file that gave no test names this package, or its fixture."""
    try:
        return b"robustness" in collector.path.read_bytes()
    except OSError:
        _log.debug("%s cannot be read", collector.path, exc_info=True)
        return True


def _file(name: str) -> str:
    return name.partition("::")[0]


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
    from pytest_robustness.frontends.plugin.assertion import NotRobust

    return isinstance(error, NotRobust) or any(one.verdict.outcome is not Outcome.PASS for one in _findings(item))


def _of_model(item: pytest.Item, error: BaseException) -> bool:
    """Whether the report has an error as that of a model."""
    session = active_session(item.config)
    return session is not None and str(error) in session.run_log.errors.values()


def _findings(item: pytest.Item) -> list[Finding]:
    session = active_session(item.config)
    return [] if session is None else session.findings
