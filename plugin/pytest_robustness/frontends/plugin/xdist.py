"""Hooks for the controller of pytest-xdist alone: it merges the workers' run logs, and shows how far they are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.core.process import ended_as_interrupted
from pytest_robustness.frontends.plugin.handing_over import TakeOver, refusing
from pytest_robustness.frontends.plugin.xdist_progress import SharedProgress
from pytest_robustness.inference import agreement

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from pytest_robustness.core import Progress
    from pytest_robustness.inference.run_log import RunLog

REFUSAL = "robustness-refusal"
RUN_LOG = "robustness-run-log"
DISAGREEMENT = "robustness_disagreement"
PROCESS = "robustness-process"


class XdistHooks:
    """The controller's side.

    Parameters
    ----------
    run_log
        Returns the controller's own run log, into which the workers' logs are merged.
    store
        The store that the workers fill.
    progress
        Makes what shows how far the workers are.
    """

    def __init__(self, run_log: Callable[[], RunLog], store: Path, progress: Callable[[], Progress]) -> None:
        self._take_over = TakeOver(run_log)
        self._store = store
        self._folder: Path | None = None
        self._progress = SharedProgress(store, progress, self._said)
        self._progress.start()
        self._numbers: dict[Any, int] = {}
        self._swept: dict[Any, float] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Have the workers keep what they computed where this process is asked to end, as the time-out of a job asks.

        By itself it would be gone at once, and with it the container of the job.
        """
        with ended_as_interrupted(lambda: self._folder is not None and agreement.ask_to_end(self._folder)):
            return (yield)

    def pytest_configure_node(self, node: Any) -> None:
        """Give each worker the lowest number that none has: one that takes a dead one's place takes its GPU, too."""
        taken = set(self._numbers.values())
        self._numbers[node] = next(number for number in itertools.count() if number not in taken)
        node.workerinput[PROCESS] = self._numbers[node]
        self._folder = agreement.folder_of(self._store, node.workerinput["testrunuid"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ARG002
        """Compare the data of the workers before any test is dealt out, which is when the last has collected."""
        if self._folder is not None:
            with refusing():
                agreement.require_same(agreement.stated(self._folder))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Merge what one test asked for: a worker that is killed later hands over nothing more."""
        if hasattr(report, DISAGREEMENT):
            raise pytest.UsageError(getattr(report, DISAGREEMENT))
        log = self._take_over.of(report)
        if log is None:
            return
        self._show(log)
        node = getattr(report, "node", None)
        if self._swept.get(node) != log.sweep_seconds:
            self._swept[node] = log.sweep_seconds
            self._progress.sweep_ended()

    def pytest_testnodedown(self, node: Any) -> None:
        """Merge what a worker did, or stop the run where a worker refused to work."""
        self._numbers.pop(node, None)
        output = getattr(node, "workeroutput", {})
        if REFUSAL in output:
            raise pytest.UsageError(output[REFUSAL])
        if RUN_LOG in output:
            self._show(self._take_over.merge(output[RUN_LOG]))

    def pytest_unconfigure(self) -> None:
        """Stop watching the workers, and remove what they compared."""
        self._progress.stop()
        if self._folder is not None:
            agreement.remove(self._folder)

    def _said(self) -> list[str]:
        return [] if self._folder is None else agreement.said(self._folder)

    def _show(self, log: RunLog) -> None:
        for note in log.notes:
            self._progress.note(note)
