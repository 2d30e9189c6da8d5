"""What is registered only in the controller of pytest-xdist: it gathers what the workers did, and how far they are."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.plugin.xdist_progress import ProgressWatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.core import Progress

REFUSAL = "robustness-refusal"
RUN_LOG = "robustness-run-log"
PROGRESS = "robustness-progress"
PROCESS = "robustness-process"


class XdistHooks:
    """The controller's side.

    Parameters
    ----------
    run_log
        Returns the controller's own run log, which everything is merged into.
    progress
        Makes what shows how far the workers are.
    """

    def __init__(self, run_log: Callable[[], RunLog], progress: Callable[[], Progress]) -> None:
        self._run_log = run_log
        # The folder is made by the first worker that sweeps, so a run without robustness tests leaves no trace.
        self._folder = Path(tempfile.gettempdir()) / f"pytest-robustness-{uuid.uuid4().hex}"
        self._watcher = ProgressWatcher(self._folder, progress)
        self._watcher.start()
        self._workers = itertools.count()

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which it is, from 0, whatever xdist calls it, and where to write how far it is."""
        node.workerinput[PROCESS] = next(self._workers)
        node.workerinput[PROGRESS] = str(self._folder)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take over what one test asked for: a worker that dies later hands over nothing more."""
        news = getattr(report, "robustness", None)
        if news is not None:
            self._run_log().merge(RunLog.unpack(news))

    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker did, or why it refused to work."""
        output = getattr(node, "workeroutput", {})
        if REFUSAL in output:
            pytest.exit(output[REFUSAL], returncode=pytest.ExitCode.USAGE_ERROR)
        if RUN_LOG in output:
            self._run_log().merge(RunLog.unpack(output[RUN_LOG]))

    def pytest_unconfigure(self) -> None:
        """Watch no longer."""
        self._watcher.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
