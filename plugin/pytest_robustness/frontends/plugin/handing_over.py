"""Take over the run logs of processes that run tests but write no report, with the reports of the tests."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_robustness.core.errors import DisagreementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_robustness.inference.run_log import RunLog

_log = logging.getLogger(__name__)

PROCESS: Final = pytest.StashKey[int]()
"""The process that was configured, and writes the reports; a plugin may run a test in one that is forked from it."""

# An attribute of a report travels to the process that logs it.
_RUN_LOG: Final = "robustness"


def hands_over(config: pytest.Config) -> bool:
    """Whether this process is a worker of xdist, or was forked to run a test."""
    return hasattr(config, "workeroutput") or config.stash.get(PROCESS, None) != os.getpid()


def hand_over(report: pytest.TestReport, log: RunLog) -> None:
    """Give a run log along with the report of a test."""
    vars(report)[_RUN_LOG] = log.pack()


class TakeOver:
    """Merges what comes with the reports of tests.

    Parameters
    ----------
    run_log
        Returns the run log of this process, into which the others are merged.
    """

    def __init__(self, run_log: Callable[[], RunLog]) -> None:
        self._run_log = run_log

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Merge what a test asked for in another process."""
        self.of(report)

    def of(self, report: pytest.TestReport) -> RunLog | None:
        """Merge what came with ``report``, and return it."""
        packed = getattr(report, _RUN_LOG, None)
        return None if packed is None else self.merge(packed)

    def merge(self, packed: dict[str, Any]) -> RunLog:
        """Merge a run log, and return it; the run ends where it is of other data, as it has no report then."""
        from pytest_robustness.inference.run_log import RunLog  # here, because suites without such tests pay for it

        log = RunLog.unpack(packed)
        with refusing():
            self._run_log().merge(log)
        return log


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """End the run where the processes do not judge the same: it has no report."""
    try:
        yield
    except DisagreementError as error:
        _log.debug("the processes differ", exc_info=True)
        raise pytest.UsageError(str(error)) from None
