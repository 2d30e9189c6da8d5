"""The hooks that add to Allure's results and build its report; registered only in a run that does either."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import allure
import pytest

from pytest_robustness.core import Cell, Panel
from pytest_robustness.core.files import short_path
from pytest_robustness.errors import OptionError, RobustnessError
from pytest_robustness.plugin.collection import requests
from pytest_robustness.plugin.fixture_names import GATE_CELL
from pytest_robustness.report.allure import record, run_files
from pytest_robustness.report.allure.build import PAGES, build
from pytest_robustness.report.allure.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_robustness.plugin.options import Options
    from pytest_robustness.plugin.session import RobustnessSession
    from pytest_robustness.report.allure.facts import Facts

_log = logging.getLogger(__name__)

_RESULTS = "allure-results"


def prepare(config: pytest.Config, folder: Path) -> None:
    """Have allure-pytest write results, into ``folder`` unless ``--alluredir`` says where, before it is configured.

    Raises
    ------
    OptionError
        When ``folder`` holds something else: a test file, say, that the option took for its value.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not _ours(folder)):
        raise OptionError(
            f"--robustness-allure-report: {str(folder)!r} is not empty and no Allure report. Name another folder; "
            f"with none, write the option last."
        )
    if not hasattr(config.option, "allure_report_dir") or config.option.allure_report_dir:
        return
    results = folder / _RESULTS
    config.option.allure_report_dir = str(results)
    # Results of another run would count as retries. A worker of xdist starts when others may be writing.
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        shutil.rmtree(results, ignore_errors=True)


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

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Complete the test's result while allure-pytest still holds it."""
        listener: Any = self._config.pluginmanager.getplugin("allure_listener")
        session = self._session()
        if listener is None or session is None or "robustness" not in getattr(item, "fixturenames", ()):
            return
        result = listener.allure_logger.get_test(None)
        parameters: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        facts = self._facts(item, parameters, session)
        own = {name: _text(value) for name, value in parameters.items() if not isinstance(value, Cell | Panel)}
        record.place(result, facts, own, several_severities=len(self._options.severity) > 1)
        if _bundled(item) and len(facts) == 1:
            module, test = item.path.stem, getattr(item, "originalname", item.name)
            record.rename(result, f"{_SUITE}.{module}#{test}", facts[0].title, (_SUITE, item.path.name))
        record.shorten(result)
        record.report(result, session.findings)
        for finding in session.findings:
            if finding.against == "control":
                record.attach_evidence(finding, *session.illustrate(finding))
            else:
                record.attach_lost(session.lost_examples(finding))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write what there is once for a run: when its report is written, and before the terminal's summary."""
        yield
        robustness = self._session()
        if robustness is None or robustness.run_report is None or hasattr(self._config, "workerinput"):
            return
        try:
            broken = self._finish(robustness)
        except (RobustnessError, OSError) as error:
            _log.debug("the Allure report could not be built", exc_info=True)
            self._lines.append(f"Allure report: not built. {error}")
            return
        if broken and session.exitstatus == pytest.ExitCode.OK:
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
        compared = GATE_CELL in parameters or any(finding.against == "baseline" for finding in session.findings)
        return facts_of(subjects, session.requests.models, self._options.data, compared=compared)

    def _finish(self, session: RobustnessSession) -> list[str]:
        """Write the files of the run, build the report if asked to, and return the broken rules of its gate."""
        report, options = session.run_report, self._options
        results = self._config.getoption("allure_report_dir", None)
        if report is None:
            return []
        if results is None:
            raise RobustnessError("allure-pytest is switched off: leave out -p no:allure_pytest.")
        run_files.write(report, Path(results), os.environ)
        page = options.report / "index.html"
        if page.exists() and page.stat().st_mtime >= self._started:
            name = "robustness report (download it: scripts do not run in an attachment)"
            allure.global_attach(page.read_bytes(), name, allure.attachment_type.HTML)
        if options.allure_report is None:
            return []
        broken = build(report, Path(results), options.allure_report, options.allure_history, options.allure_gate or ())
        self._lines.append(f"Allure report: {short_path(options.allure_report / PAGES['awesome'])}")
        self._lines += [f"Quality gate: {message}." for message in broken]
        return broken


_SUITE = "robustness_tests"


def _bundled(item: pytest.Item) -> bool:
    """Whether a test is of the suite that comes along, whose file may be installed anywhere."""
    spec = importlib.util.find_spec(_SUITE)
    return spec is not None and spec.origin is not None and item.path.parent == Path(spec.origin).parent


def _text(value: object) -> str:
    """Return a parameter as text that is the same in every process: an object's ``repr`` may hold its address."""
    plain = value is None or isinstance(value, str | int | float)
    return str(value) if plain else type(value).__name__


def _ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in (_RESULTS, *PAGES.values()))
