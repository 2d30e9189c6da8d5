"""The hooks that add to Allure's results and build its report; registered only in a run that does either."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import allure
import allure_commons
import pytest

from pytest_robustness.core import Cell, Panel
from pytest_robustness.core.errors import OptionError, RobustnessError
from pytest_robustness.core.files import short_path
from pytest_robustness.core.text import counted
from pytest_robustness.frontends.plugin.asked import asks, study_of
from pytest_robustness.frontends.plugin.collection import requests
from pytest_robustness.frontends.plugin.fixture_names import GATE_CELL, TARGETS
from pytest_robustness.report.allure import history, record, run_files
from pytest_robustness.report.allure.build import PAGES, build
from pytest_robustness.report.allure.facts import facts_of
from pytest_robustness.report.allure.results_guard import ResultsGuard, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from allure_commons.model2 import TestResult

    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.frontends.session.session import RobustnessSession
    from pytest_robustness.report.allure.facts import Facts
    from pytest_robustness.report.run_report import RunReport

_log = logging.getLogger(__name__)

_RESULTS = "allure-results"
_FAULT = pytest.StashKey[str]()
_FAULT_OF_WORKER = "robustness-allure-fault"


def prepare(config: pytest.Config, folder: Path | None) -> None:
    """Have allure-pytest write results, into ``--alluredir`` or else into ``folder``, before it is configured.

    Where neither can be written, allure-pytest is left without a folder: the run goes on, and says so at its end.

    Raises
    ------
    OptionError
        When ``folder`` holds something else: a test file, say, that the option took for its value.
    """
    if folder is not None and folder.is_dir() and any(folder.iterdir()) and not _ours(folder):
        raise _no_report(folder)
    if not hasattr(config.option, "allure_report_dir"):
        return
    results = Path(config.option.allure_report_dir or (folder or Path()) / _RESULTS)
    try:
        # Results of another run would count as retries. A worker of xdist starts when others may be writing.
        if not config.option.allure_report_dir and not _starts_late(config):
            shutil.rmtree(results, ignore_errors=True)
        if not config.option.collectonly:
            results.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=results):
                pass
    except OSError as error:
        if folder is not None and folder.is_file():
            raise _no_report(folder) from error
        _log.debug("Allure's results cannot be written", exc_info=True)
        config.stash[_FAULT] = explained(results, error)
        config.option.allure_report_dir = None
    else:
        config.option.allure_report_dir = str(results)


def _no_report(folder: Path) -> OptionError:
    return OptionError(
        f"--robustness-allure-report: {str(folder)!r} is not empty and no Allure report. Name another folder; "
        f"with none, write the option last."
    )


def _starts_late(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput") or config.option.collectonly


class AllureHooks:
    """Adds facts and evidence to the result of every robustness test, and at the end the files of the run.

    Parameters
    ----------
    config
        Of this process.
    options
        Of the run.
    session
        Returns the session of the run, once there is one.
    """

    def __init__(
        self, config: pytest.Config, options: Options, session: Callable[[], RobustnessSession | None]
    ) -> None:
        self._config = config
        self._options = options
        self._session = session
        self._started = time.time()
        self._lines: list[str] = []
        self._fault = config.stash.get(_FAULT, "")
        self._guard = ResultsGuard()
        allure_commons.plugin_manager.register(self._guard)
        config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(self._guard))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Complete the test's result while allure-pytest still holds it."""
        listener: Any = self._config.pluginmanager.getplugin("allure_listener")
        session = self._session()
        if listener is None or session is None or not asks(item):
            return (yield)
        result = listener.allure_logger.get_test(None)
        self._complete(result, item, session)
        try:
            return (yield)
        finally:
            record.remember(result)

    def _complete(self, result: TestResult, item: pytest.Item, session: RobustnessSession) -> None:
        parameters: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        facts = self._facts(item, parameters, session)
        record.place(result, facts, several_severities=session.requests.several_severities)
        # Before a test has asked, only its parameters tell what it is about.
        given = facts if any(isinstance(value, Cell | Panel) for value in parameters.values()) else []
        record.identify(result, facts, given, _own(item, parameters), self._options.data)
        if _bundled(item):
            module, test = item.path.stem, getattr(item, "originalname", item.name)
            title = facts[0].title if len(facts) == 1 else result.name
            record.rename(result, f"{_SUITE}.{module}#{test}", title, (_SUITE, item.path.name))
        record.shorten(result)
        record.report(result, session.findings, getattr(getattr(item, "function", None), "__doc__", None))
        for finding in session.findings:
            if finding.against == "control":
                record.attach_evidence(finding, *session.illustrate(finding))
            elif finding.against == "study":
                record.attach_items(finding)
            else:
                record.attach_lost(session.lost_examples(finding))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what kept a worker of xdist from writing its results."""
        self._fault = self._fault or getattr(node, "workeroutput", {}).get(_FAULT_OF_WORKER, "")

    def finish(self, session: pytest.Session) -> None:
        """Write what there is once for a run: when its report is written, and before the terminal's summary.

        A gate that cannot judge fails, and so does a run whose results or report cannot be written.
        """
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[_FAULT_OF_WORKER] = self._fault_of_results()
            return
        robustness = self._session()
        failed = bool(self._fault_of_results())
        try:
            if robustness is not None and robustness.run_report is not None:
                failed |= bool(self._finish(robustness))
            else:
                self._without_report(robustness)
        except (RobustnessError, OSError) as error:
            _log.debug("the Allure report could not be built", exc_info=True)
            kind = "report" if self._options.allure_report is not None else "results"
            done = "built" if kind == "report" else "whole"
            self._lines.append(f"Allure {kind}: not {done}. {error}")
            failed |= isinstance(error, OSError) or isinstance(error.__cause__, OSError) or self._has_gate
            if self._has_gate:
                self._lines.append("Quality gate: it could not judge, and so it fails.")
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Say where the Allure report is, or why there is none, below the summary."""
        yield
        for line in self._lines:
            terminalreporter.write_line(line)

    def _facts(self, item: pytest.Item, parameters: dict[str, object], session: RobustnessSession) -> list[Facts]:
        asked = [value for value in parameters.values() if isinstance(value, Cell | Panel)]
        subjects = asked or session.findings or requests(item, session)
        study = study_of(item) or ""
        compared = GATE_CELL in parameters or any(finding.against == "baseline" for finding in session.findings)
        return facts_of(subjects, session.requests.models, self._options.data, compared=compared, study=study)

    @property
    def _has_gate(self) -> bool:
        return self._options.allure_report is not None and bool(self._options.allure_gate)

    def _fault_of_results(self) -> str:
        """Return why the results are not whole; nothing where they are."""
        if not self._fault and self._guard.error is not None:
            self._fault = explained(self._config.getoption("allure_report_dir", ""), self._guard.error)
        return self._fault

    def _without_report(self, session: RobustnessSession | None) -> None:
        """Raise `RobustnessError` where something was asked for that takes a run report, and there is none."""
        if self._fault_of_results():
            raise RobustnessError(self._fault)
        # A gate that is configured waits for a run that has robustness tests.
        typed = self._config.getoption("--robustness-allure-gate") is not None
        if self._has_gate and (typed or session is not None):
            raise RobustnessError("No robustness test was judged, or no report of the run could be written.")

    def _finish(self, session: RobustnessSession) -> list[str]:
        """Write the files of the run, build the report if asked to, and return what fails the run.

        Raises
        ------
        RobustnessError, OSError
            When the results are not whole, or the report cannot be built.
        """
        report, options = session.run_report, self._options
        results = self._config.getoption("allure_report_dir", None)
        if self._fault_of_results():
            raise RobustnessError(self._fault)
        if report is None:
            return []
        if results is None:
            raise RobustnessError("allure-pytest is switched off: leave out -p no:allure_pytest.")
        run_files.write(report, Path(results), os.environ)
        page = options.report / "index.html"
        if page.exists() and page.stat().st_mtime >= self._started:
            name = "robustness report (download it: scripts do not run in an attachment)"
            allure.global_attach(page.read_bytes(), name, allure.attachment_type.HTML)
        if self._fault_of_results():
            raise RobustnessError(self._fault)
        return [] if options.allure_report is None else self._build(report, Path(results), options.allure_report)

    def _build(self, report: RunReport, results: Path, folder: Path) -> list[str]:
        """Build the report, and return what fails the run: broken rules of the gate, a history that is not written."""
        path = self._options.allure_history
        earlier = sum(one.stat().st_mtime < self._started for one in results.glob("*-result.json"))
        broken, lines = build(report, results, folder, history.read(path), self._options.allure_gate or ())
        self._lines.append(f"Allure report: {short_path(folder / PAGES['awesome'])}")
        if earlier:
            have = f"It has {counted(earlier, 'result')} that {short_path(results)} held before this run"
            self._lines.append(f"{have}{', and so has its gate' * self._has_gate}: --clean-alluredir removes them.")
        self._lines += [f"Quality gate: {message}." for message in broken]
        try:
            history.write(path, lines)
        except RobustnessError as error:
            _log.debug("the run is not in Allure's history", exc_info=True)
            self._lines.append(str(error))
            return [*broken, str(error)]
        return broken


_SUITE = "robustness_tests"


def _bundled(item: pytest.Item) -> bool:
    """Whether a test is of the suite that comes along, whose file may be installed anywhere."""
    spec = importlib.util.find_spec(_SUITE)
    return spec is not None and spec.origin is not None and item.path.parent == Path(spec.origin).parent


def _own(item: pytest.Item, parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters of a test besides the plugin's, as texts that are the same in every process.

    An object's ``repr`` may hold its address, and tells it from no other where its class has one. What tells two tests
    of a function apart is what pytest tells them apart by: the last ids of a test are those of the plugin.
    """
    own = {name: value for name, value in parameters.items() if name not in TARGETS}
    if not own:
        return {}
    ids: Sequence[str] = item.callspec._idlist if isinstance(item, pytest.Function) else ()
    plain = {name: str(value) for name, value in own.items() if value is None or isinstance(value, str | int | float)}
    return {**plain, record.TEST_ID: "-".join(ids[: len(ids) - len(parameters) + len(own)])}


def _ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in (_RESULTS, *PAGES.values()))
