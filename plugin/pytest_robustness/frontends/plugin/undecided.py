"""Set an earlier report aside where a run ends before anybody knows whether it judges.

A plugin or a ``conftest.py`` that fails, an option that pytest does not know, a test file that cannot be imported: the
run ends before its tests are known. The results of the run before then lie where a job picks them up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_robustness.frontends.plugin.active import active_session
from pytest_robustness.frontends.plugin.configuration import configures
from pytest_robustness.frontends.plugin.refusal import forget_report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator


class Undecided:
    """Follows a run until its tests are known; with pytest-xdist, those of a worker.

    Parameters
    ----------
    pluginmanager
        Of the run, before pytest has read the command line.
    """

    def __init__(self, pluginmanager: pytest.PytestPluginManager) -> None:
        self._config: pytest.Config = pluginmanager.get_plugin("pytestconfig")  # type: ignore[assignment] # always there
        self._collected = False
        self._decided = False
        self._elsewhere = False
        self._failed = False
        # Not a hook: those that end a run are not called of one whose options pytest refuses.
        self._config.add_cleanup(self._end)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self) -> Generator[None, object, object]:
        """Keep whether another plugin did something else in place of running tests, or had another process run them."""
        found = yield
        self._elsewhere = not self._config.pluginmanager.has_plugin("session")
        return found

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep that a file gave no test: what it would have asked is not known."""
        self._failed = self._failed or report.failed

    def pytest_collection_finish(self) -> None:
        """Keep that this process collects, which the controller of xdist does not."""
        self._collected = True

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Keep that the tests are known: the hooks have set the report aside, if one of them asks."""
        found = yield
        self._decided = self._collected and not self._failed
        return found

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Keep the same of a worker."""
        self._decided = not self._failed

    def _end(self) -> None:
        # Where a test has asked, the report is that of this run.
        if self._decided or self._elsewhere or active_session(self._config) is not None:
            return
        typed: argparse.Namespace = self._config.known_args_namespace
        if not self._config.args:  # pytest has refused the command line, and keeps what it knows of it here alone
            self._config.option = typed
        if hasattr(typed, "robustness_report") and (_named(typed) or configures(self._config)):
            forget_report(self._config)


def _named(typed: argparse.Namespace) -> bool:
    """Return whether a command line has an option of ours, or names tests of ours."""
    words = [*typed.file_or_dir, typed.keyword, typed.markexpr]
    ours = (value for name, value in vars(typed).items() if name.startswith("robustness_"))
    return any("robustness" in str(word) for word in words) or any(value is not None for value in ours)
