"""Write what a run leaves at its end, whatever else cannot be written."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.frontends.plugin.active import ALLURE_HOOKS, active_session
from pytest_robustness.frontends.plugin.unfinished import UNFINISHED_HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

NOT_WRITTEN = pytest.StashKey[str]()
"""Which file of another plugin could not be written, and why."""


@contextlib.contextmanager
def another_plugins_files(session: pytest.Session) -> Iterator[None]:
    """Fail the run where another plugin cannot write a file, JUnit XML on a full disk, say, and go on.

    pytest would end it as an error of its own, and nobody would write the reports. Where the run has none, it does.
    """
    try:
        yield
    except OSError as error:
        if active_session(session.config) is None or hasattr(session.config, "workeroutput"):
            raise
        _log.debug("a file of another plugin cannot be written", exc_info=True)
        name = error.filename or session.config.getoption("xmlpath", None) or "A file of another plugin"
        session.config.stash[NOT_WRITTEN] = f"{name} cannot be written: {error.strerror}. Make room, or name another."
        _fail(session)


def finish(session: pytest.Session) -> None:
    """Write what a run leaves; a worker of xdist hands its run log to the controller instead."""
    config = session.config
    robustness, allure = active_session(config), config.pluginmanager.get_plugin(ALLURE_HOOKS)
    if robustness is not None:
        if hasattr(config, "workeroutput"):
            from pytest_robustness.frontends.plugin.xdist import RUN_LOG

            config.workeroutput[RUN_LOG] = robustness.run_log.pack()
        # A usage error, such as workers that do not judge the same, has no report.
        elif session.exitstatus != pytest.ExitCode.USAGE_ERROR:
            unfinished = config.pluginmanager.get_plugin(UNFINISHED_HOOKS)
            if unfinished is not None:
                robustness.run_log.unfinished = unfinished.found()
            if not robustness.write_reports():
                _fail(session)
    if allure is not None:
        allure.finish(session)


def _fail(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
